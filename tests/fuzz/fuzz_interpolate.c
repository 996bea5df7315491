#include "fuzz.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/strbuf.h"
#include "config/interpolate.h"

struct input {
	const char *text;
	size_t len;
};

/* "X…" is the input itself, "S…" its first half in another scope, "U…" is not set. */
static int look_up(const struct reference *ref, struct reference_value *ret, void *data,
                   struct error *err)
{
	const struct input *input = data;
	char first = ref->name ? ref->name[0] : 'V';

	if (first == 'U')
		return 0;
	if (first == 'E')
		return error_set(err, ERR_CONFIG, "refused");
	ret->is_template = first == 'X' || first == 'S';
	ret->scope = first == 'S' ? input : NULL;
	ret->text = first == 'X'   ? xstrdup(input->text)
	            : first == 'S' ? xstrndup(input->text, input->len / 2)
	                           : xstrdup("value");
	return 1;
}

static int count(const struct reference *ref, size_t at, size_t len, void *data, struct error *err)
{
	const struct input *input = data;

	fuzz_check(at + len <= input->len && len >= 1);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);
	struct input input = {text, strlen(text)};

	for (int bare = 0; bare < 2; bare++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;
		const struct interpolation how = {look_up, &input, bare, bare};
		size_t at = SIZE_MAX, len = SIZE_MAX;

		if (interpolate(&how, NULL, text, &out, &at, &len, &err) < 0)
			fuzz_check(at <= input.len && len <= input.len && out.len == 0);
	}
	{
		cleanup(error_release) struct error err = ERROR_INIT;
		size_t at, len;

		interpolate_each(text, count, &input, &at, &len, &err);
	}
	return 0;
}
