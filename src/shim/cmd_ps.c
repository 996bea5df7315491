#include "shim/command.h"

#include "base/error.h"
#include "base/json.h"
#include "base/proc.h"
#include "shim/state.h"

static void print_table(const struct pid_list *pids)
{
	printf("%8s %8s %s\n", "PID", "PPID", "COMMAND");
	array_foreach(pid, pids) {
		cleanup(error_release) struct error gone = ERROR_INIT;
		struct proc_stat stat_line;

		if (proc_read_stat(*pid, &stat_line, &gone) == 0)
			printf("%8d %8d %s\n", *pid, stat_line.ppid, stat_line.comm);
	}
}

static void print_json(const struct pid_list *pids)
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
	cleanup_close int root = -1;
	struct pid_list pids = {0};
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
	n = state_processes(&state, &pids, err);
	if (n == 0 && str_eq(format, "json"))
		print_json(&pids);
	else if (n == 0)
		print_table(&pids);
	array_release(&pids);
	return n;
}
