#include "fuzz.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/strbuf.h"

#include <dirent.h>

#define INPUT_MAX (4u << 20)

static int replay(const char *path)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	uint8_t *copy;

	if (fs_read_file(path, INPUT_MAX, &text, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return -1;
	}
	/* As libFuzzer gives it: no NUL behind the end, so that reading it is caught. */
	copy = malloc(text.len > 0 ? text.len : 1);
	if (!copy)
		return -1;
	memcpy(copy, text.buf, text.len);
	LLVMFuzzerTestOneInput(copy, text.len);
	free(copy);
	return 0;
}

/* Runs the target on every file of a folder. */
int main(int argc, char **argv)
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	size_t count = 0;

	if (!dir) {
		fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
		return 2;
	}
	for (struct dirent *entry; (entry = readdir(dir));) {
		cleanup_free char *path = NULL;

		if (entry->d_name[0] == '.')
			continue;
		path = path_join(argv[1], entry->d_name);
		if (replay(path) < 0)
			return 1;
		count++;
	}
	closedir(dir);
	printf("%zu inputs\n", count);
	return count > 0 ? 0 : 1;
}
