#include "api/paths.h"

#include "api/no_room.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>

#define SANDBOX_NAME_MAX 32
#define PROJECT_NAME_MAX 63
#define PROJECT_HASH_LEN 8
#define NOTIFY_HASH_LEN  16

/* Of a struct sockaddr_un, with the NUL. */
#define SUN_PATH_SIZE 108

static const char *home_dir(struct error *err)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;

	if (home && home[0] == '/')
		return home;
	pw = getpwuid(geteuid());
	if (pw && pw->pw_dir && pw->pw_dir[0] == '/')
		return pw->pw_dir;
	error_set(err, ENOENT, "no home directory for uid %u", (unsigned)geteuid());
	error_hint(err, "set HOME to an absolute path");
	return NULL;
}

/* The XDG rule: a relative path in a variable is as good as none. */
static char *xdg_dir(const char *variable, const char *home, const char *fallback)
{
	const char *value = getenv(variable);
	cleanup_free char *base = NULL;

	if (value && value[0] == '/')
		base = xstrdup(value);
	else
		base = path_join(home, fallback);
	return path_join(base, "locald");
}

/* After su or sudo the variable may still name another user's directory. */
static bool is_own_dir(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

static char *run_dir(const char *state)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (runtime && runtime[0] == '/' && is_own_dir(runtime))
		return path_join(runtime, "locald");
	return path_join(state, "run");
}

static bool is_sandbox_name(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= SANDBOX_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static int init_sandbox(struct paths *paths, const char *state, const char *sandbox,
                        struct error *err)
{
	cleanup_free char *root = NULL;

	if (!is_sandbox_name(sandbox)) {
		error_set(err, ERR_USAGE, "sandbox name `%s` is not valid", sandbox);
		return error_hint(err, "use 1 to %d characters of a-z, 0-9 and `-`",
		                  SANDBOX_NAME_MAX);
	}
	root = xasprintf("%s/sandbox/%s", state, sandbox);
	*paths = (struct paths){
		.sandbox = xstrdup(sandbox),
		.run = path_join(root, "run"),
		.state = path_join(root, "state"),
		.data = path_join(root, "data"),
		.cache = path_join(root, "cache"),
		.config = path_join(root, "config"),
	};
	return 0;
}

int paths_init(struct paths *paths, const char *sandbox, struct error *err)
{
	cleanup_free char *state = NULL;
	const char *home = home_dir(err);

	if (!home)
		return -1;
	if (!sandbox)
		sandbox = getenv("LOCALD_SANDBOX");
	state = xdg_dir("XDG_STATE_HOME", home, ".local/state");
	if (!str_empty(sandbox))
		return init_sandbox(paths, state, sandbox, err);

	*paths = (struct paths){
		.run = run_dir(state),
		.data = xdg_dir("XDG_DATA_HOME", home, ".local/share"),
		.cache = xdg_dir("XDG_CACHE_HOME", home, ".cache"),
		.config = xdg_dir("XDG_CONFIG_HOME", home, ".config"),
	};
	paths->state = take_ptr(state);
	return 0;
}

int paths_create(const struct paths *paths, struct error *err)
{
	const char *const dirs[] = {paths->state, paths->run, paths->data, paths->cache,
	                            paths->config};

	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (fs_mkdirs_private(dirs[i], err) < 0)
			return no_room_explain(err, dirs[i]);
	return 0;
}

void paths_release(struct paths *paths)
{
	free(paths->sandbox);
	free(paths->run);
	free(paths->state);
	free(paths->data);
	free(paths->cache);
	free(paths->config);
	*paths = (struct paths)PATHS_INIT;
}

char *paths_daemon_sock(const struct paths *paths)
{
	return path_join(paths->run, "daemon.sock");
}

char *paths_proxy_sock(const struct paths *paths)
{
	return path_join(paths->run, "proxy.sock");
}

char *paths_proxy_memory(const struct paths *paths)
{
	return path_join(paths->run, "proxy.json");
}

char *paths_relay_sock(const struct paths *paths)
{
	return path_join(paths->run, "relay.sock");
}

char *paths_runtime_root(const struct paths *paths)
{
	return path_join(paths->run, "containers");
}

char *paths_daemon_lock(const struct paths *paths)
{
	return path_join(paths->run, "daemon.lock");
}

char *paths_daemon_log(const struct paths *paths)
{
	return path_join(paths->state, "daemon.log");
}

char *paths_state_db(const struct paths *paths)
{
	return path_join(paths->state, "state.db");
}

char *paths_user_config(const struct paths *paths)
{
	return path_join(paths->config, "config.toml");
}

char *paths_keeper_dir(const struct paths *paths, const char *project)
{
	return xasprintf("%s/keepers/%s", paths->run, project);
}

char *paths_keeper_sock(const struct paths *paths, const char *project, const char *service)
{
	return xasprintf("%s/keepers/%s/%s.sock", paths->run, project, service);
}

char *paths_keeper_spec(const struct paths *paths, const char *project, const char *service)
{
	return xasprintf("%s/keepers/%s/%s.spec", paths->run, project, service);
}

char *paths_keeper_notify(const struct paths *paths, const char *project, const char *service)
{
	cleanup_free char *path =
		xasprintf("%s/keepers/%s/%s.notify", paths->run, project, service);
	char digest[SHA256_DIGEST_SIZE];

	if (strlen(path) < SUN_PATH_SIZE)
		return take_ptr(path);
	sha256_digest_of(path, strlen(path), digest);
	free(path);
	path = xasprintf("%s/notify-%.*s", paths->run, NOTIFY_HASH_LEN, digest + strlen("sha256:"));
	return strlen(path) < SUN_PATH_SIZE ? take_ptr(path) : NULL;
}

char *paths_log_dir(const struct paths *paths, const char *project, const char *service)
{
	return xasprintf("%s/logs/%s/%s", paths->state, project, service);
}

char *paths_container_dir(const struct paths *paths, const char *project, const char *service)
{
	return xasprintf("%s/containers/%s/%s", paths->state, project, service);
}

char *paths_root_memory(const struct paths *paths)
{
	return path_join(paths->state, "container-root.json");
}

char *paths_image_store(const struct paths *paths)
{
	return path_join(paths->data, "images");
}

char *paths_volumes(const struct paths *paths)
{
	return path_join(paths->data, "volumes");
}

char *paths_service_data(const struct paths *paths, const char *project, const char *service)
{
	return xasprintf("%s/services/%s/%s", paths->data, project, service);
}

char *paths_service_run(const struct paths *paths, const char *project, const char *service)
{
	return xasprintf("%s/services/%s/%s", paths->run, project, service);
}

char *paths_try_dir(const struct paths *paths)
{
	return path_join(paths->state, "try");
}

char *paths_detached_dir(const struct paths *paths)
{
	return path_join(paths->state, "detached");
}

char *paths_build_cache(const struct paths *paths, const char *project, const char *service)
{
	return xasprintf("%s/builds/%s/%s", paths->cache, project, service);
}

char *paths_project_id(const char *name, const char *root)
{
	char digest[SHA256_DIGEST_SIZE];
	char safe[PROJECT_NAME_MAX + 1];

	/* A folder's name may be the project's name, and then it can hold anything. */
	str_copy(safe, sizeof(safe), name);
	for (char *c = safe; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
			*c = '-';
	sha256_digest_of(root, strlen(root), digest);
	return xasprintf("%s-%.*s", safe, PROJECT_HASH_LEN, digest + strlen("sha256:"));
}

/* Not path_real(): a replaced file is "… (deleted)", and its directory is what we need. */
static char *self_link(void)
{
	char buf[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", buf, sizeof(buf) - 1);

	return len > 0 ? xstrndup(buf, (size_t)len) : NULL;
}

char *paths_self(void)
{
	cleanup_free char *link = self_link();

	if (link && access(link, X_OK) == 0)
		return take_ptr(link);
	return xstrdup("/proc/self/exe");
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* In a build tree this binary is src/cli/locald, and its helpers are in the rooms beside it. */
static char *in_build_tree(const char *own_dir, const char *name)
{
	static const char *const rooms[] = {"keeper", "shim", "lifecycle", "daemon"};

	if (!str_eq(path_base(own_dir), "cli"))
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(rooms); i++) {
		cleanup_free char *path = xasprintf("%s/../%s/%s", own_dir, rooms[i], name);

		if (is_program(path))
			return take_ptr(path);
	}
	return NULL;
}

char *paths_libexec(const char *name, struct error *err)
{
	const char *override = getenv("LOCALD_LIBEXEC");
	cleanup_free char *self = self_link();
	cleanup_free char *own_dir = path_dir(self ? self : "/");
	cleanup_free char *built = in_build_tree(own_dir, name);
	cleanup_free char *installed = xasprintf("%s/../libexec/locald/%s", own_dir, name);

	if (!str_empty(override)) {
		cleanup_free char *chosen = path_join(override, name);

		if (is_program(chosen))
			return path_absolute("/", chosen);
		error_set(err, ENOENT, "LOCALD_LIBEXEC has no program %s", chosen);
		return NULL;
	}
	if (built)
		return path_absolute("/", built);
	if (is_program(installed))
		return path_absolute("/", installed);
	error_set(err, ENOENT, "%s is not installed (looked at %s)", name, installed);
	error_hint(err, "install locald again, or set LOCALD_LIBEXEC to the folder of %s", name);
	return NULL;
}
