#include "shim/command.h"

#include "base/error.h"
#include "base/json.h"
#include "base/proc.h"
#include "shim/state.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

typedef ARRAY(pid_t) pid_list;

static int collect(pid_t pid, void *data)
{
	*array_add((pid_list *)data) = pid;
	return 0;
}

static int pid_namespace(pid_t pid, ino_t *ret)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	if (stat(path, &st) < 0)
		return -1;
	*ret = st.st_ino;
	return 0;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Without a cgroup: the processes of its pid namespace. */
static int list_by_namespace(const struct state *state, pid_list *pids, struct error *err)
{
	cleanup(close_dir) DIR *proc = opendir("/proc");
	struct dirent *entry;
	ino_t wanted, own, found;

	if (!proc || pid_namespace(state->pid, &wanted) < 0 || pid_namespace(getpid(), &own) < 0)
		return error_errno(err, errno, "look at the container's pid namespace");
	if (wanted == own) {
		*array_add(pids) = state->pid;
		return 0;
	}
	while ((entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && pid_namespace(pid, &found) == 0 && found == wanted)
			*array_add(pids) = pid;
	}
	return 0;
}

static void print_table(const pid_list *pids)
{
	printf("%8s %8s %s\n", "PID", "PPID", "COMMAND");
	array_foreach(pid, pids) {
		cleanup(error_release) struct error gone = ERROR_INIT;
		struct proc_stat stat_line;

		if (proc_read_stat(*pid, &stat_line, &gone) == 0)
			printf("%8d %8d %s\n", *pid, stat_line.ppid, stat_line.comm);
	}
}

static void print_json(const pid_list *pids)
{
	cleanup_json json_t *list = json_array();
	cleanup_free char *text = NULL;

	array_foreach(pid, pids)
		json_array_append_new(list, json_integer(*pid));
	text = json_text(list);
	printf("%s\n", text);
}

int cmd_ps(const struct shim *shim, const struct command *self, int argc, char **argv,
           struct error *err)
{
	cleanup(state_release) struct state state = {.dir = -1, .root = -1};
	cleanup(error_release) struct error why = ERROR_INIT;
	cleanup_close int root = -1;
	pid_list pids = {0};
	const char *format = "table";
	const struct option_row rows[] = {
		{"format", 'f', OPTION_TEXT, &format, "table or json"},
	};
	int n = options_parse(self, rows, ARRAY_LEN(rows), argc, argv, err);

	if (n < 0)
		return n;
	if (!str_eq(format, "table") && !str_eq(format, "json"))
		return error_set(err, ERR_USAGE, "--format must be table or json");
	root = state_open_root(shim->root, err);
	if (root < 0 || state_load(&state, root, argv[0], err) < 0)
		return -1;
	if (state_status(&state) == CONTAINER_STOPPED)
		return error_set(err, ERR_CONFLICT, "container `%s` is stopped", argv[0]);
	n = cgroup_list(&state.cgroup, collect, &pids, &why);
	if (n < 0)
		n = list_by_namespace(&state, &pids, err);
	if (n == 0 && str_eq(format, "json"))
		print_json(&pids);
	else if (n == 0)
		print_table(&pids);
	array_release(&pids);
	return n;
}
