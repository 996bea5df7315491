#include "cli/check.h"

#include "api/daemon_start.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/userns.h"
#include "cli/cli.h"
#include "keeper/run_cgroup.h"
#include "net/outbound.h"
#include "oci/root_choice.h"
#include "oci/runtime_limits.h"
#include "oci/runtime_scope.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define CGROUP2_MAGIC     0x63677270
#define PORT_START_SYSCTL "/proc/sys/net/ipv4/ip_unprivileged_port_start"

static void worse(struct finding *finding, enum check_level level)
{
	if (level > finding->level)
		finding->level = level;
}

static void add_item(struct strbuf *out, const char *text)
{
	strbuf_addf(out, "%s%s", out->len > 0 ? ", " : "", text);
}

static bool has_pidfd(void)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int fd = proc_pidfd_open(getpid(), &err);

	return fd >= 0;
}

static bool has_openat2(void)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_close int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_close int fd = fs_open_in_root(root, "proc", O_PATH | O_CLOEXEC, 0, &err);

	return fd >= 0;
}

static bool has_subreaper(void)
{
	int value;

	return prctl(PR_GET_CHILD_SUBREAPER, &value) == 0;
}

static void check_kernel(struct cli *cli unused_arg, struct finding *finding)
{
	const struct {
		const char *name;
		bool is_there;
	} features[] = {
		{"pidfd", has_pidfd()},
		{"openat2", has_openat2()},
		{"subreaper", has_subreaper()},
	};

	for (size_t i = 0; i < ARRAY_LEN(features); i++) {
		cleanup_free char *missing = xasprintf("no %s", features[i].name);

		add_item(&finding->text, features[i].is_there ? features[i].name : missing);
		if (!features[i].is_there)
			worse(finding, CHECK_BROKEN);
	}
	if (finding->level != CHECK_OK)
		strbuf_adds(&finding->fix, "use a Linux kernel of 5.6 or later");
}

static void check_ids(struct cli *cli unused_arg, struct finding *finding)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct userns_map map;
	uint64_t count = 0;

	if (userns_map_for_caller(&map, &err) < 0) {
		worse(finding, CHECK_LIMITED);
		strbuf_addf(&finding->text, "containers: %s", err.text);
		strbuf_adds(&finding->fix, err.hint ? err.hint : "");
		return;
	}
	for (size_t i = 0; i < map.uids; i++)
		count += map.uid[i].count;
	if (!map.is_single) {
		strbuf_addf(&finding->text, "%llu user ids for containers",
		            (unsigned long long)count);
		return;
	}
	worse(finding, CHECK_LIMITED);
	strbuf_adds(&finding->text, "one user id for containers: programs that change user fail");
	strbuf_adds(&finding->fix, "sudo apt-get install uidmap && sudo usermod --add-subuids "
	                           "100000-165535 --add-subgids 100000-165535 $USER");
}

/* Where the kernel makes no user namespaces, or nothing in them, that is the reason. */
static int try_namespace(void *data unused_arg, struct error *err)
{
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0)
		return 0;
	error_errno(err, errno, "mount namespace");
	userns_explain(err->code, err);
	return -1;
}

static void tell_root(const struct root_choice *root, struct finding *finding)
{
	static const char *const texts[ROOT_KINDS] = {
		"user namespaces and overlayfs in them",
		"root file systems of containers by fuse-overlayfs, which is slower",
		"root file systems of containers are copied at each start",
	};

	if (root->kind == ROOT_OVERLAY && root->why) {
		worse(finding, CHECK_LIMITED);
		strbuf_addf(&finding->text, "no containers: %s", root->why);
		return;
	}
	strbuf_adds(&finding->text, texts[root->kind]);
	if (root->is_forced)
		strbuf_adds(&finding->text, " (LOCALD_CONTAINER_ROOT, not tried)");
	if (root->kind == ROOT_OVERLAY)
		return;
	worse(finding, CHECK_LIMITED);
	if (root->why)
		strbuf_addf(&finding->text, ": %s", root->why);
	if (root->kind == ROOT_COPY && root->why)
		strbuf_adds(&finding->fix,
		            strstr(root->why, "not installed")
		                    ? "sudo apt-get install fuse-overlayfs"
		                    : "let /dev/fuse be everybody's, for fuse-overlayfs: "
		                      "sudo chmod 0666 /dev/fuse");
}

/* On the file system where containers are, or will be. */
static char *place_of_containers(const struct cli *cli)
{
	char *place = xstrdup(cli->paths.state);

	while (!fs_is_dir(place) && !str_eq(place, "/")) {
		char *above = path_dir(place);

		free(place);
		place = above;
	}
	return place;
}

/* Nothing is remembered here, so that what is said is so now.  The folder goes again. */
static int find_root(struct cli *cli, struct root_choice *ret, struct error *err)
{
	cleanup_free char *store = paths_image_store(&cli->paths);
	cleanup_free char *shim = paths_libexec("locald-shim", err);
	cleanup_free char *place = place_of_containers(cli);
	const struct root_question question = {.shim = shim, .store = store, .place = place};

	return shim ? root_choose(&question, ret, err) : -1;
}

static void check_overlay(struct cli *cli, struct finding *finding)
{
	cleanup(root_choice_release) struct root_choice root = {0};
	cleanup(error_release) struct error err = ERROR_INIT;
	struct userns_map map;
	int r;

	userns_map_single(&map, 0, 0);
	r = userns_map_for_caller(&map, &err);
	if (r == 0)
		r = userns_run(&map, try_namespace, NULL, &err);
	if (r == 0 && find_root(cli, &root, &err) == 0) {
		tell_root(&root, finding);
		return;
	}
	worse(finding, CHECK_LIMITED);
	strbuf_addf(&finding->text, "no containers: %s",
	            err.text ? err.text : "user namespaces cannot be made");
	strbuf_adds(&finding->fix, err.hint ? err.hint : "");
}

static void check_way_out(struct cli *cli unused_arg, struct finding *finding)
{
	cleanup(outbound_release) struct outbound outbound = {0};

	outbound_find(&outbound);
	if (outbound.program) {
		strbuf_addf(&finding->text, "containers reach the world by %s", outbound.program);
		return;
	}
	worse(finding, CHECK_LIMITED);
	strbuf_addf(&finding->text, "containers reach nothing but their project's services: %s",
	            outbound.why);
	strbuf_adds(&finding->fix, outbound.fix);
}

static void check_cgroup(struct cli *cli unused_arg, struct finding *finding)
{
	struct statfs fs;
	bool is_v2 = statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_MAGIC;
	cleanup_free char *runs = run_cgroup_parent(), *why = NULL;

	if (runs)
		strbuf_addf(&finding->text, "services of the host are killed by cgroups in %s; ",
		            runs);
	else
		strbuf_adds(&finding->text, "services of the host are killed process by process; ");
	if (is_v2 && access("/sys/fs/cgroup/cgroup.subtree_control", W_OK) == 0) {
		strbuf_adds(&finding->text, "cgroup v2, writable");
		return;
	}
	why = runtime_scope_why_not();
	if (!why) {
		strbuf_adds(&finding->text, "containers with limits get a scope of systemd");
		return;
	}
	worse(finding, CHECK_LIMITED);
	if (is_v2)
		strbuf_addf(&finding->text, "cgroup v2, not delegated; %s", why);
	else
		strbuf_adds(&finding->text, "no cgroup v2: no memory or pid limits");
}

/* By trying: see oci/runtime_limits.h. */
static void check_limits(struct cli *cli unused_arg, struct finding *finding)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *shim = paths_libexec("locald-shim", &err);
	struct runtime_limits_means means = {0};
	cleanup_json json_t *can = shim ? runtime_limits_probe(shim, &means, &err) : NULL;
	cleanup_free char *no_scope = means.why_no_scope;
	const char *first = NULL, *name;
	const json_t *why;

	if (!can) {
		worse(finding, CHECK_LIMITED);
		strbuf_addf(&finding->text, "limits of containers: %s", err.text);
		return;
	}
	json_object_foreach(can, name, why) {
		cleanup_free char *missing = xasprintf("no %s", name);

		add_item(&finding->text, json_is_null(why) ? name : missing);
		if (!json_is_null(why) && !first)
			first = json_string_value(why);
	}
	if (!first && means.is_scoped)
		strbuf_adds(&finding->text, ", in a scope of systemd");
	if (!first)
		return;
	worse(finding, CHECK_LIMITED);
	strbuf_addf(&finding->text, " limits for containers: %s", first);
	if (no_scope)
		strbuf_addf(&finding->text, "; %s", no_scope);
	strbuf_adds(&finding->fix,
	            "limits need root, or a cgroup that is delegated to you: see cgroups(7)");
}

static void check_programs(struct cli *cli unused_arg, struct finding *finding)
{
	/* Without the first nothing runs; the others are for containers and builds. */
	static const char *const names[] = {"locald-keeper", "locald-shim", "locald-job",
	                                    "locald-lifecycle", "locald-launcher"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		cleanup(error_release) struct error err = ERROR_INIT;
		cleanup_free char *path = paths_libexec(names[i], &err);
		cleanup_free char *missing = xasprintf("no %s", names[i]);

		add_item(&finding->text, path ? names[i] : missing);
		if (path)
			continue;
		worse(finding, i == 0 ? CHECK_BROKEN : CHECK_LIMITED);
		strbuf_reset(&finding->fix);
		strbuf_adds(&finding->fix, err.hint ? err.hint : "install locald again");
	}
}

static void check_run_dir(struct cli *cli, struct finding *finding)
{
	const char *dir = cli->paths.run;
	struct stat st;

	cli_add_folder(&finding->text, dir);
	if (lstat(dir, &st) < 0) {
		strbuf_adds(&finding->text, " (is made when it is needed)");
	} else if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid()) {
		worse(finding, CHECK_BROKEN);
		strbuf_adds(&finding->text, " is not a folder of yours");
		strbuf_addf(&finding->fix, "remove %s", dir);
	} else if (st.st_mode & 077) {
		worse(finding, CHECK_BROKEN);
		strbuf_addf(&finding->text, " is open to others (%04o)", st.st_mode & 07777);
		strbuf_addf(&finding->fix, "chmod 0700 %s", dir);
	} else {
		strbuf_adds(&finding->text, " 0700");
	}
}

static void check_daemon(struct cli *cli, struct finding *finding)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_free char *sock = paths_daemon_sock(&cli->paths);

	if (cli->client) {
		cli_add_folder(&finding->text, sock);
		return;
	}
	if (!fs_exists(sock)) {
		strbuf_adds(&finding->text, "not running (starts when it is needed)");
		return;
	}
	cli->client = daemon_connect(&cli->paths, &err);
	if (!cli->client && err.code == ERR_DAEMON) {
		worse(finding, CHECK_LIMITED);
		strbuf_adds(&finding->text, err.text);
		strbuf_adds(&finding->fix, "locald daemon start");
	} else if (!cli->client) {
		worse(finding, CHECK_BROKEN);
		strbuf_adds(&finding->text, err.text);
	} else {
		cli_add_folder(&finding->text, sock);
	}
}

/* The port that a running proxy has; 0 without one. */
static int64_t proxy_port(struct cli *cli)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *status = NULL;

	if (!cli->client)
		return 0;
	status = cli_call(cli, "GET", "/v1/status?all=1", NULL, &err);
	return json_get_int(json_object_get(json_object_get(status, "daemon"), "proxy"), "port", 0);
}

static bool may_bind_80(void)
{
	cleanup(strbuf_release) struct strbuf text = STRBUF_INIT_MAX(32);
	cleanup(error_release) struct error err = ERROR_INIT;

	if (geteuid() == 0)
		return true;
	return fs_read_file(PORT_START_SYSCTL, 32, &text, &err) == 0 &&
	       strtol(text.buf, NULL, 10) <= 80;
}

static void check_ports(struct cli *cli, struct finding *finding)
{
	int64_t port = proxy_port(cli);

	if (port > 0)
		strbuf_addf(&finding->text, "the proxy listens on %lld", (long long)port);
	else if (may_bind_80())
		strbuf_adds(&finding->text, "80 may be used");
	else
		strbuf_adds(&finding->text, "80 needs permission; 8080 or a free port is used");
	if (port == 80 || may_bind_80())
		return;
	worse(finding, CHECK_LIMITED);
	strbuf_adds(&finding->fix, "sudo sysctl -w net.ipv4.ip_unprivileged_port_start=80");
}

static void check_store(struct cli *cli, struct finding *finding)
{
	cleanup_free char *store = paths_image_store(&cli->paths);

	cli_add_folder(&finding->text, store);
	if (!fs_exists(store)) {
		strbuf_adds(&finding->text, " (is made when it is needed)");
	} else if (access(store, R_OK | W_OK | X_OK) < 0) {
		worse(finding, CHECK_BROKEN);
		strbuf_addf(&finding->text, ": %s", strerror(errno));
	}
}

/* errno of a watch of this process's own; 0: it can be had. */
static int try_watch(void)
{
	cleanup_close int fd = inotify_init1(IN_CLOEXEC);

	return fd < 0 || inotify_add_watch(fd, "/", IN_DELETE_SELF) < 0 ? errno : 0;
}

static void check_watch(struct cli *cli, struct finding *finding)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup_json json_t *status =
		cli->client ? cli_call(cli, "GET", "/v1/status?all=1", NULL, &err) : NULL;
	const char *because =
		json_get_str(json_object_get(status, "daemon"), "polls_because", NULL);
	int why = try_watch();

	if (!because && why == 0) {
		strbuf_adds(&finding->text, "changes of files are told by the kernel");
		return;
	}
	worse(finding, CHECK_LIMITED);
	strbuf_addf(&finding->text, "files are looked at again and again: %s",
	            because ? because : strerror(why));
	if (why == EMFILE)
		strbuf_adds(&finding->fix, "sudo sysctl -w fs.inotify.max_user_instances=1024");
	else
		strbuf_adds(&finding->fix, "sudo sysctl -w fs.inotify.max_user_watches=524288");
}

/* In the order in which they are shown; check_ports and check_watch use the connection of
 * check_daemon. */
const struct check checks[CHECK_COUNT] = {
	{"kernel.features", check_kernel},    {"container.ids", check_ids},
	{"container.overlay", check_overlay}, {"container.network", check_way_out},
	{"cgroup.v2", check_cgroup},          {"container.limits", check_limits},
	{"programs", check_programs},         {"run.dir", check_run_dir},
	{"daemon.socket", check_daemon},      {"proxy.ports", check_ports},
	{"files.watch", check_watch},         {"image.store", check_store},
};
