#include "shim/cgroup.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/strbuf.h"

#define PROC_FILE_MAX (8 * 1024 * 1024)

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *at = text; *at; to++) {
		if (at[0] == '\\' && at[1] >= '0' && at[1] <= '3' && at[2] && at[3]) {
			*to = (char)((at[1] - '0') * 64 + (at[2] - '0') * 8 + (at[3] - '0'));
			at += 4;
		} else {
			*to = *at++;
		}
	}
	*to = '\0';
}

bool cgroup_has_controller(const char *controllers, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = controllers; *at;) {
		size_t word = strcspn(at, ", \n");

		if (word == len && strncmp(at, name, len) == 0)
			return true;
		at += word + (at[word] != '\0');
	}
	return false;
}

/* Those words of the super block's options that are controllers: all but the flags. */
static char *controllers_of(const char *options)
{
	static const char *const flags[] = {
		"rw",          "ro", "xattr", "clone_children", "noprefix", "cpuset_v2_mode",
		"favordynmods"};
	struct strbuf out = STRBUF_INIT;
	cleanup_free char *copy = xstrdup(options);
	char *save = NULL;

	for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		bool is_flag = str_starts(word, "release_agent=");

		for (size_t i = 0; i < ARRAY_LEN(flags); i++)
			is_flag = is_flag || str_eq(word, flags[i]);
		if (!is_flag)
			strbuf_addf(&out, "%s%s", out.len > 0 ? "," : "", word);
	}
	return strbuf_detach(&out);
}

static char *read_v2_controllers(const char *point)
{
	cleanup(error_release) struct error ignored = ERROR_INIT;
	cleanup_free char *path = path_join(point, "cgroup.controllers");
	struct strbuf text = STRBUF_INIT;

	/* An unreadable one has none for us. */
	if (fs_read_file(path, PROC_FILE_MAX, &text, &ignored) < 0)
		strbuf_reset(&text);
	strbuf_truncate(&text, strcspn(text.buf, "\n"));
	return strbuf_detach(&text);
}

/* Is it the same hierarchy mounted a second time?  The first one counts. */
static bool is_known(const struct cgroup_host *host, const char *controllers, bool is_v2)
{
	array_foreach(tree, &host->trees)
		if (tree->is_v2 == is_v2 && (is_v2 || str_eq(tree->controllers, controllers)))
			return true;
	return false;
}

/* "36 35 98:0 /root /point options [optional…] - type source super" */
static void parse_mount(struct cgroup_host *host, char *line)
{
	char *field[6], *save = NULL, *dash = strstr(line, " - ");
	char *type, *super;
	size_t n = 0;
	bool is_v2;

	if (!dash)
		return;
	*dash = '\0';
	type = strtok_r(dash + 3, " ", &save);
	if (!type || !str_starts(type, "cgroup"))
		return;
	is_v2 = str_eq(type, "cgroup2");
	strtok_r(NULL, " ", &save);
	super = strtok_r(NULL, " ", &save);
	save = NULL;
	for (char *word = strtok_r(line, " ", &save); word && n < ARRAY_LEN(field);
	     word = strtok_r(NULL, " ", &save))
		field[n++] = word;
	if (n < 5 || !super || (!is_v2 && !str_eq(type, "cgroup")))
		return;
	unescape(field[3]);
	unescape(field[4]);
	cleanup_free char *controllers =
		is_v2 ? read_v2_controllers(field[4]) : controllers_of(super);
	if (is_known(host, controllers, is_v2))
		return;
	*array_add(&host->trees) = (struct cgroup_tree){
		.point = xstrdup(field[4]),
		.root = xstrdup(field[3]),
		.controllers = take_ptr(controllers),
		.own = xstrdup("/"),
		.is_v2 = is_v2,
	};
}

/* "4:memory:/path", "0::/path" */
static void parse_own(struct cgroup_host *host, char *line)
{
	char *first = strchr(line, ':'), *second = first ? strchr(first + 1, ':') : NULL;

	if (!second)
		return;
	*second = '\0';
	array_foreach(tree, &host->trees) {
		bool is_same =
			tree->is_v2 ? first[1] == '\0' : str_eq(tree->controllers, first + 1);

		if (is_same) {
			free(tree->own);
			tree->own = xstrdup(second + 1);
		}
	}
}

int cgroup_host_parse(struct cgroup_host *host, const char *mountinfo, const char *self,
                      struct error *err)
{
	cleanup_free char *mounts = xstrdup(mountinfo), *own = xstrdup(self);
	char *save = NULL;

	for (char *line = strtok_r(mounts, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		parse_mount(host, line);
	save = NULL;
	for (char *line = strtok_r(own, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		parse_own(host, line);
	return 0;
}

int cgroup_host_read(struct cgroup_host *host, struct error *err)
{
	cleanup(strbuf_release) struct strbuf mounts = STRBUF_INIT, own = STRBUF_INIT;

	if (fs_read_file("/proc/self/mountinfo", PROC_FILE_MAX, &mounts, err) < 0 ||
	    fs_read_file("/proc/self/cgroup", PROC_FILE_MAX, &own, err) < 0)
		return -1;
	return cgroup_host_parse(host, mounts.buf, own.buf, err);
}

void cgroup_host_release(struct cgroup_host *host)
{
	array_foreach(tree, &host->trees) {
		free(tree->point);
		free(tree->root);
		free(tree->controllers);
		free(tree->own);
	}
	array_release(&host->trees);
}

enum cgroup_mode cgroup_host_mode(const struct cgroup_host *host)
{
	bool has_v1 = false, has_v2 = false;

	array_foreach(tree, &host->trees) {
		has_v1 = has_v1 || !tree->is_v2;
		has_v2 = has_v2 || tree->is_v2;
	}
	if (has_v1)
		return has_v2 ? CGROUP_HYBRID : CGROUP_V1;
	return has_v2 ? CGROUP_V2 : CGROUP_NONE;
}

const char *cgroup_mode_name(enum cgroup_mode mode)
{
	static const char *const names[] = {
		[CGROUP_NONE] = "none",
		[CGROUP_V1] = "v1",
		[CGROUP_V2] = "v2",
		[CGROUP_HYBRID] = "hybrid",
	};

	return names[mode];
}

const struct cgroup_tree *cgroup_tree_of(const struct cgroup_host *host, const char *controller)
{
	array_foreach(tree, &host->trees)
		if (cgroup_has_controller(tree->controllers, controller))
			return tree;
	return NULL;
}
