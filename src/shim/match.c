#include "shim/state.h"

#include "base/error.h"
#include "base/str.h"

#include <regex.h>

static int compile(regex_t *regex, const char *pattern, struct error *err)
{
	char why[128];
	int status = regcomp(regex, pattern, REG_EXTENDED | REG_NOSUB);

	if (status == 0)
		return 0;
	regerror(status, regex, why, sizeof(why));
	return error_set(err, ERR_USAGE, "--regex `%s`: %s", pattern, why);
}

int state_match(int root, const char *word, bool is_regex, struct strv *ids, struct error *err)
{
	cleanup(strv_release) struct strv all = STRV_INIT;
	regex_t regex;

	if (!is_regex) {
		strv_add(ids, word);
		return 0;
	}
	if (compile(&regex, word, err) < 0)
		return -1;
	if (state_list(root, &all, err) < 0) {
		regfree(&regex);
		return -1;
	}
	for (size_t i = 0; i < all.len; i++)
		if (regexec(&regex, all.items[i], 0, NULL, 0) == 0)
			strv_add(ids, all.items[i]);
	regfree(&regex);
	return 0;
}
