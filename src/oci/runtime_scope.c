#include "oci/runtime_scope.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define CGROUPS  "/sys/fs/cgroup"
#define UNIT_MAX 200

static const char *find_program(void)
{
	static const char *const places[] = {"/usr/bin/systemd-run", "/bin/systemd-run"};

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (access(places[i], X_OK) == 0)
			return places[i];
	return NULL;
}

/* Where systemd-run looks for it. */
static bool has_manager(void)
{
	static const char *const sockets[] = {"systemd/private", "bus"};
	const char *run = getenv("XDG_RUNTIME_DIR");

	for (size_t i = 0; i < ARRAY_LEN(sockets) && !str_empty(run); i++) {
		cleanup_free char *path = path_join(run, sockets[i]);
		struct stat st;

		if (stat(path, &st) == 0 && S_ISSOCK(st.st_mode))
			return true;
	}
	return false;
}

char *runtime_scope_why_not(void)
{
	struct statfs fs;

	if (geteuid() == 0)
		return xstrdup("root needs no scope");
	if (statfs(CGROUPS, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
		return xstrdup("no scope of systemd: " CGROUPS " is not cgroup v2 alone");
	if (!has_manager())
		return xstrdup("no scope of systemd: there is no user manager in XDG_RUNTIME_DIR");
	if (!find_program())
		return xstrdup("no scope of systemd: systemd-run is not installed");
	return NULL;
}

/* What a unit's name may have; the moment makes it the only one. */
static char *unit_of(const char *id)
{
	char *unit = xasprintf("locald-%.*s-%llx.scope", UNIT_MAX, id,
	                       (unsigned long long)clock_mono_ns());

	for (char *at = unit; *at; at++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.",
		            *at))
			*at = '_';
	return unit;
}

void runtime_scope_add(struct strv *argv, const char *id)
{
	cleanup_free char *unit = unit_of(id);
	const char *const words[] = {
		find_program(), "--user",        "--scope", "--quiet",    "--collect",    "--unit",
		unit,           "--description", id,        "--property", "Delegate=yes", "--",
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		strv_add(argv, words[i]);
}
