#include "config/inputs.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "config/toml.h"

void config_inputs_release(struct config_inputs *inputs)
{
	array_foreach(input, &inputs->list)
		free(input->path);
	array_release(&inputs->list);
}

const struct config_input *config_inputs_find(const struct config_inputs *inputs, const char *path)
{
	array_foreach(input, &inputs->list)
		if (str_eq(input->path, path))
			return input;
	return NULL;
}

void config_inputs_note(struct config_inputs *inputs, const char *path, const char *text,
                        size_t len)
{
	struct config_input *input;

	if (config_inputs_find(inputs, path))
		return;
	input = array_add(&inputs->list);
	input->path = xstrdup(path);
	if (text)
		sha256_digest_of(text, len, input->digest);
}

/* NULL when it is not there or cannot be read. */
static const char *read_text(const char *path, struct strbuf *out)
{
	cleanup(error_release) struct error err = ERROR_INIT;

	return fs_read_file(path, TOML_MAX_BYTES, out, &err) < 0 ? NULL : out->buf;
}

void config_inputs_note_file(struct config_inputs *inputs, const char *path)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
	const char *found = config_inputs_find(inputs, path) ? NULL : read_text(path, &text);

	config_inputs_note(inputs, path, found, text.len);
}

bool config_inputs_are_current(const struct config_inputs *inputs)
{
	array_foreach(input, &inputs->list) {
		cleanup(strbuf_release) struct strbuf text = STRBUF_INIT;
		char digest[SHA256_DIGEST_SIZE] = "";

		if (read_text(input->path, &text))
			sha256_digest_of(text.buf, text.len, digest);
		if (!str_eq(digest, input->digest))
			return false;
	}
	return true;
}

void config_inputs_digest(const struct config_inputs *inputs, char out[SHA256_DIGEST_SIZE])
{
	struct sha256 sha;

	sha256_init(&sha);
	array_foreach(input, &inputs->list) {
		if (!*input->digest)
			continue;
		sha256_add(&sha, input->path, strlen(input->path) + 1);
		sha256_add(&sha, input->digest, strlen(input->digest) + 1);
	}
	sha256_digest(&sha, out);
}

static const char *digest_in(const struct config_inputs *inputs, const char *path)
{
	const struct config_input *input = config_inputs_find(inputs, path);

	return input ? input->digest : "";
}

const char *config_inputs_first_change(const struct config_inputs *before,
                                       const struct config_inputs *now)
{
	array_foreach(input, &now->list)
		if (!str_eq(input->digest, digest_in(before, input->path)))
			return input->path;
	array_foreach(input, &before->list)
		if (!str_eq(input->digest, digest_in(now, input->path)))
			return input->path;
	return NULL;
}

json_t *config_inputs_to_json(const struct config_inputs *inputs)
{
	json_t *object = json_object();

	array_foreach(input, &inputs->list)
		json_set_str(object, input->path, input->digest);
	return object;
}

void config_inputs_from_json(const json_t *object, struct config_inputs *inputs)
{
	const char *path;
	json_t *digest;

	json_object_foreach((json_t *)object, path, digest) {
		struct config_input *input = array_add(&inputs->list);

		input->path = xstrdup(path);
		if (json_is_string(digest))
			(void)str_copy(input->digest, sizeof(input->digest),
			               json_string_value(digest));
	}
}
