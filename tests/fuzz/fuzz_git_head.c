#include "fuzz.h"

#include "base/mem.h"
#include "base/strbuf.h"
#include "daemon/git_head.h"

static void check_commit(const char *commit)
{
	size_t len = strlen(commit);

	fuzz_check(len == 40 || len == 64);
	fuzz_check(strspn(commit, "0123456789abcdef") == len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	cleanup_free char *link = NULL, *ref = NULL;
	char commit[GIT_COMMIT_SIZE] = "";

	strbuf_add(&text, data, size);
	link = git_parse_link(text.buf, text.len);
	fuzz_check(!link || (*link && !strchr(link, '\n')));
	if (git_parse_ref(text.buf, text.len, &ref, commit)) {
		if (ref)
			fuzz_check(git_is_ref(ref) && !strstr(ref, ".."));
		else
			check_commit(commit);
	}
	if (git_parse_packed(text.buf, text.len, "refs/heads/main", commit))
		check_commit(commit);
	return 0;
}
