#include "base/error.h"
#include "shim/command.h"
#include "shim/exec.h"
#include "shim/init.h"
#include "shim/spec.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#define EXIT_USAGE 2

/* Keep alphabetized. */
static const struct command commands[] = {
	{"create", "CONTAINER", "make a container that waits for its start", 1, 1, cmd_create},
	{"delete", "CONTAINER", "remove a container that is stopped", 1, 1, cmd_delete},
	{"exec", "CONTAINER cmd [ARGUMENT...]", "run another program in a container", 1, INT_MAX,
         cmd_exec},
	{"features", "", "say what this runtime can do, as JSON", 0, 0, cmd_features},
	{"kill", "CONTAINER [SIGNAL]", "send a signal to a container (TERM)", 1, 2, cmd_kill},
	{"limits", "", "try which limits can be set here, as JSON", 0, 0, cmd_limits},
	{"list", "", "list the containers", 0, 0, cmd_list},
	{"net", "CONTAINER", "hand out sockets of a container's network", 1, 1, cmd_net},
	{"pause", "CONTAINER", "freeze the processes of a container", 1, 1, cmd_pause},
	{"ps", "CONTAINER", "list the processes of a container", 1, 1, cmd_ps},
	{"resume", "CONTAINER", "go on after pause", 1, 1, cmd_resume},
	{"run", "CONTAINER", "make and start a container, and wait for its end", 1, 1, cmd_run},
	{"spec", "", "write an example config.json", 0, 0, cmd_spec},
	{"start", "CONTAINER", "start a container made by create", 1, 1, cmd_start},
	{"state", "CONTAINER", "print the state of a container, as JSON", 1, 1, cmd_state},
	{"update", "CONTAINER", "change the limits of a container", 1, 1, cmd_update},
};

static void print_usage(FILE *out)
{
	fprintf(out, "usage: locald-shim [--root DIR] [--log FILE] [--log-format text|json] "
	             "[--debug] COMMAND ...\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
}

static int report(const struct shim *shim, const struct error *err)
{
	report_error(shim, err);
	switch (err->code) {
	case EXEC_NOT_FOUND:
		return 127;
	case EXEC_NOT_EXECUTABLE:
		return 126;
	case ERR_USAGE:
		return EXIT_USAGE;
	default:
		return EXIT_FAILURE;
	}
}

/* A path; crun's "file:PATH" is one, too, and its other kinds are not. */
static int take_log(struct shim *shim, struct error *err)
{
	size_t len = shim->log ? strspn(shim->log, "abcdefghijklmnopqrstuvwxyz") : 0;

	if (len == 0 || shim->log[len] != ':')
		return 0;
	if (len != strlen("file") || !str_starts(shim->log, "file:")) {
		error_set(err, ERR_UNSUPPORTED, "--log %s: `%.*s` is not supported yet", shim->log,
		          (int)len, shim->log);
		error_hint(err, "give a file; ./%s if that is its name", shim->log);
		shim->log = NULL;
		return -1;
	}
	shim->log += len + 1;
	return 0;
}

/* Returns where the command is in argv. */
static int parse_global(struct shim *shim, int argc, char **argv, struct error *err)
{
	const char *format = "text", *manager = "cgroupfs", *level = "error", *rootless = "auto";
	const struct option_row rows[] = {
		{"root", 0, OPTION_TEXT, &shim->root, "where states are kept"},
		{"log", 0, OPTION_TEXT, &shim->log, "append errors to a file"},
		{"log-format", 0, OPTION_TEXT, &format, "text or json"},
		{"debug", 0, OPTION_FLAG, &shim->is_debug, "more output"},
		{"cgroup-manager", 0, OPTION_TEXT, &manager, "cgroupfs or disabled"},
		{"systemd-cgroup", 0, OPTION_REFUSED, NULL,
	         "use paths in cgroupfs (podman: --cgroup-manager=cgroupfs)"},
		{"log-level", 0, OPTION_TEXT, &level, "error, warning or debug"},
		{"rootless", 0, OPTION_TEXT, &rootless, "auto: it is found out"},
	};
	int at = 1;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (str_eq(argv[at], "--help") || str_eq(argv[at], "-h") ||
		    str_eq(argv[at], "--version") || str_eq(argv[at], "-v"))
			break;
		if (options_take(rows, ARRAY_LEN(rows), argc, argv, &at, err) < 0)
			return -1;
	}
	if (take_log(shim, err) < 0)
		return -1;
	if (!str_eq(format, "text") && !str_eq(format, "json"))
		return error_set(err, ERR_USAGE, "--log-format must be text or json, not `%s`",
		                 format);
	if (!str_eq(level, "error") && !str_eq(level, "warning") && !str_eq(level, "debug"))
		return error_set(err, ERR_USAGE,
		                 "--log-level must be error, warning or debug, not `%s`", level);
	if (!str_eq(rootless, "auto")) {
		error_set(err, ERR_UNSUPPORTED, "--rootless %s is not supported yet", rootless);
		return error_hint(err, "leave it away: it is found out");
	}
	shim->is_debug = shim->is_debug || str_eq(level, "debug");
	shim->has_no_cgroup = str_eq(manager, "disabled");
	if (!str_eq(manager, "cgroupfs") && !shim->has_no_cgroup) {
		error_set(err, ERR_UNSUPPORTED, "--cgroup-manager %s is not supported yet",
		          manager);
		return error_hint(err, "use cgroupfs, or disabled");
	}
	shim->is_log_json = str_eq(format, "json");
	return at;
}

/* Commands of crun and runc that are known and not done. */
static const char *const refused[] = {"checkpoint", "events", "mounts", "restore"};

static int run_command(const struct shim *shim, int argc, char **argv, struct error *err)
{
	const char *name = argc > 0 ? argv[0] : "--help";
	const char *names[ARRAY_LEN(commands)];
	const char *nearest;

	if (str_eq(name, "--version") || str_eq(name, "-v")) {
		printf("locald-shim version " LOCALD_VERSION "\nspec: " SPEC_VERSION "\n");
		return 0;
	}
	if (str_eq(name, "--help") || str_eq(name, "-h") || str_eq(name, "help")) {
		print_usage(argc > 0 ? stdout : stderr);
		return argc > 0 ? 0 : EXIT_USAGE;
	}
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (str_eq(commands[i].name, name))
			return commands[i].run(shim, &commands[i], argc - 1, argv + 1, err);
		names[i] = commands[i].name;
	}
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (str_eq(refused[i], name))
			return error_set(err, ERR_UNSUPPORTED, "%s is not supported yet", name);
	nearest = str_nearest(name, names, ARRAY_LEN(names));
	error_set(err, ERR_USAGE, "unknown command `%s`", name);
	return nearest ? error_hint(err, "did you mean `%s`?", nearest) : -1;
}

/*
 * What we may inherit and cannot work with: closed descriptors 0-2, whose place
 * files opened later would take, a mask that makes our own files unreadable, an
 * ignored SIGCHLD, which makes children end unseen, and a limit on file sizes, which
 * would end us before we could undo anything: with the signal ignored, writing fails.
 */
static void repair_inheritance(void)
{
	const struct sigaction action = {.sa_handler = SIG_DFL}, ignore = {.sa_handler = SIG_IGN};
	int fd;

	umask(022);
	sigaction(SIGCHLD, &action, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Of what the kernel gave us at birth; jansson would read a device. */
static void seed_json(void)
{
	const void *bytes = (const void *)(uintptr_t)getauxval(AT_RANDOM);
	size_t seed = 0;

	if (bytes)
		memcpy(&seed, bytes, sizeof(seed));
	json_object_seed(seed);
}

int main(int argc, char **argv)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	struct shim shim = {0};
	int at, status;

	if (argc == 3 && getpid() == 1 && str_eq(argv[1], PID1_COMMAND))
		pid1_main(argv[2]);
	repair_inheritance();
	seed_json();
	/* Also where a sealed copy of us runs, whose name would be that of a memfd. */
	prctl(PR_SET_NAME, "locald-shim");
	at = parse_global(&shim, argc, argv, &err);
	status = at < 0 ? -1 : run_command(&shim, argc - at, argv + at, &err);
	if (status == OPTIONS_HELPED)
		return 0;
	return status < 0 ? report(&shim, &err) : status;
}
