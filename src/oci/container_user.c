#include "oci/runtime_config.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "oci/merged_file.h"

#define ACCOUNTS_MAX (4 * 1024 * 1024)
#define ID_LIMIT     4294967294 /* -1 means "leave it" to the kernel */

struct account {
	char *field[7];
	size_t fields;
};

/* Splits the next line at its colons, in place; false at the end. */
static bool next_account(char **at, struct account *ret)
{
	char *line = *at;
	char *end;

	if (!*line)
		return false;
	end = line + strcspn(line, "\n");
	*at = *end ? end + 1 : end;
	*end = '\0';
	ret->fields = 0;
	while (line && ret->fields < ARRAY_LEN(ret->field))
		ret->field[ret->fields++] = strsep(&line, ":");
	return true;
}

static bool parse_id(const char *text, uint32_t *ret)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	int64_t id;

	if (str_to_int(text, 0, ID_LIMIT, &id, &ignored) < 0)
		return false;
	*ret = (uint32_t)id;
	return true;
}

static int find_user(char *passwd, const char *text, struct container_user *user, struct error *err)
{
	bool is_number = parse_id(text, &user->uid);
	struct account account;
	char *at = passwd;

	while (next_account(&at, &account)) {
		uint32_t uid, gid;

		if (account.fields < 7 || !parse_id(account.field[2], &uid) ||
		    !parse_id(account.field[3], &gid))
			continue;
		if (!str_eq(account.field[0], text) && !(is_number && uid == user->uid))
			continue;
		user->uid = uid;
		user->gid = gid;
		user->name = xstrdup(account.field[0]);
		user->home = str_empty(account.field[5]) ? NULL : xstrdup(account.field[5]);
		return 0;
	}
	if (is_number)
		return 0;
	return error_set(err, ERR_NOT_FOUND, "the image has no user \"%s\"", text);
}

static int find_group(char *groups, const char *text, uint32_t *ret, struct error *err)
{
	struct account account;
	char *at = groups;

	if (parse_id(text, ret))
		return 0;
	while (next_account(&at, &account))
		if (account.fields >= 3 && str_eq(account.field[0], text) &&
		    parse_id(account.field[2], ret))
			return 0;
	return error_set(err, ERR_NOT_FOUND, "the image has no group \"%s\"", text);
}

static bool is_member(char *members, const char *name)
{
	char *member;

	while ((member = strsep(&members, ",")))
		if (str_eq(member, name))
			return true;
	return false;
}

static void add_memberships(char *groups, struct container_user *user)
{
	struct account account;
	char *at = groups;

	while (user->name && next_account(&at, &account)) {
		uint32_t gid;

		if (account.fields >= 4 && parse_id(account.field[2], &gid) && gid != user->gid &&
		    is_member(account.field[3], user->name))
			*array_add(&user->groups) = gid;
	}
}

void container_user_release(struct container_user *user)
{
	free(user->home);
	free(user->name);
	array_release(&user->groups);
	*user = (struct container_user){0};
}

int container_user_resolve(const struct store *store, const struct image *image, const char *text,
                           struct container_user *ret, struct error *err)
{
	cleanup(container_user_release) struct container_user user = {0};
	cleanup(strbuf_release) struct strbuf passwd = STRBUF_INIT;
	cleanup(strbuf_release) struct strbuf groups = STRBUF_INIT;
	const char *colon = strchr(text, ':');
	cleanup_free char *name = colon ? xstrndup(text, (size_t)(colon - text)) : xstrdup(text);

	if (merged_file_read(store, image, "/etc/passwd", ACCOUNTS_MAX, &passwd, err) < 0 ||
	    merged_file_read(store, image, "/etc/group", ACCOUNTS_MAX, &groups, err) < 0 ||
	    find_user(passwd.buf, *name ? name : "0", &user, err) < 0)
		return -1;
	if (colon && find_group(groups.buf, colon + 1, &user.gid, err) < 0)
		return -1;
	if (!colon)
		add_memberships(groups.buf, &user);
	*ret = user;
	user = (struct container_user){0};
	return 0;
}
