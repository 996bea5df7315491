#include "config/import_process.h"

#include "base/mem.h"
#include "base/strbuf.h"

#include <signal.h>

#define LOGS   "locald keeps every log: `locald logs`"
#define SCREEN "there is nothing of the kind to set"

/* --- commands --- */

/* A command of the file for `sh`, or for the shell that the file names. */
static void put_command(struct importer *in, const struct yaml_entry *entry, const char *key,
                        const char *command)
{
	cleanup(strv_release) struct strv argv = STRV_INIT;

	if (!processes_of(in)->shell) {
		draft_put_str(in->section, import_at(in, entry->pos), NULL, key, command);
		return;
	}
	strv_add(&argv, processes_of(in)->shell);
	strv_add(&argv, processes_of(in)->shell_argument);
	strv_add(&argv, command);
	draft_put_strv(in->section, import_at(in, entry->pos), key, &argv);
}

static void on_command(struct importer *in, const struct yaml_entry *entry)
{
	const char *text = yaml_text(entry->value);
	cleanup_free char *command = text ? process_shell_text(in, text) : NULL;

	if (!command)
		import_expected(in, entry, "a text");
	else if (!process_has_template(in, entry, command))
		put_command(in, entry, "command", command);
}

static void on_entrypoint(struct importer *in, const struct yaml_entry *entry)
{
	if (yaml_get(in->map, "command"))
		import_leave_out(in, entry, "there is a command, too");
	else
		import_put_strings(in, entry, "command");
}

/* --- the environment --- */

static void put_variable(struct importer *in, const struct yaml_entry *entry, struct toml_pos pos,
                         const char *name, const char *value)
{
	cleanup_free char *text = value ? import_template(in, value) : NULL;

	if (!text)
		import_leave_out(in, entry, "%s has no value", name);
	else if (in->section != &in->draft->env && str_eq(name, "PORT") &&
	         processes_of(in)->port > 0)
		return; /* it is the service's port, which locald gives */
	else
		draft_put_str(in->section, import_at(in, pos),
		              in->section == &in->draft->env ? NULL : "env", name, text);
}

static void on_environment(struct importer *in, const struct yaml_entry *entry)
{
	import_variables(in, entry, put_variable);
}

static void on_no_dotenv(struct importer *in, const struct yaml_entry *entry)
{
	static const struct strv none = STRV_INIT;
	bool is_on;

	if (import_bool(in, entry, &is_on) && is_on)
		draft_put_strv(in->section, import_at(in, entry->pos), "env_file", &none);
}

static void on_env_file(struct importer *in, const struct yaml_entry *entry)
{
	import_put_strings(in, entry, "env_file");
}

/* --- dependencies --- */

static const struct condition {
	const char *name, *until;
} conditions[] = {
	{"process_completed", "completed"}, {"process_completed_successfully", "completed"},
	{"process_healthy", "ready"},       {"process_log_ready", "ready"},
	{"process_started", "started"},
};

static const char *condition_of(const struct yaml_entry *dependency)
{
	const char *condition = yaml_text(yaml_get(dependency->value, "condition"));

	return condition ? condition : "process_started";
}

static const struct condition *find_condition(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(conditions); i++)
		if (str_eq(conditions[i].name, name))
			return &conditions[i];
	return NULL;
}

static void one_dependency(struct importer *in, const struct yaml_entry *dependency)
{
	const struct draft_section *other = draft_find_service(in->draft, dependency->key);
	const char *name = condition_of(dependency);
	const struct condition *condition = find_condition(name);

	if (!other)
		import_leave_out(in, dependency, "no such process");
	else if (!condition)
		import_leave_out(in, dependency, "the condition %s is not known", name);
	else
		draft_put_str(in->section, import_at(in, dependency->pos), "depends_on",
		              other->name, condition->until);
	if (condition && str_eq(name, "process_completed"))
		draft_remark(in->section, "it waits for success: a failure holds it back, too");
}

static void on_depends_on(struct importer *in, const struct yaml_entry *entry)
{
	if (entry->value->type != YAML_MAP)
		import_expected(in, entry, "a map of processes");
	array_foreach(dependency, &entry->value->map)
		one_dependency(in, dependency);
}

/* Before anything is put: a process that is waited for to its end runs once. */
static void find_awaited(struct importer *in, const struct yaml_value *processes)
{
	array_foreach(process, &processes->map) {
		const struct yaml_value *deps = yaml_get(process->value, "depends_on");

		if (!deps)
			continue;
		array_foreach(dependency, &deps->map)
			if (str_starts(condition_of(dependency), "process_completed"))
				strv_add(&processes_of(in)->awaited, dependency->key);
	}
}

/* --- restarts --- */

static void on_restart(struct importer *in, const struct yaml_entry *entry)
{
	static const struct {
		const char *theirs, *ours;
	} policies[] = {
		{"always", "always"},         {"exit_on_failure", "no"},    {"no", "no"},
		{"on_failure", "on-failure"}, {"on-failure", "on-failure"}, {"false", "no"},
	};
	const char *text = yaml_text(entry->value);

	for (size_t i = 0; text && i < ARRAY_LEN(policies); i++) {
		if (!str_eq(text, policies[i].theirs))
			continue;
		draft_put_str(in->section, import_at(in, entry->pos), NULL, "restart",
		              policies[i].ours);
		if (str_eq(text, "exit_on_failure"))
			import_leave_out(in, entry, "the other services go on when this one fails");
		return;
	}
	import_leave_out(in, entry, "expected no, on_failure, always or exit_on_failure");
}

static void on_max_restarts(struct importer *in, const struct yaml_entry *entry)
{
	import_put_int(in, entry, "max_restarts", 0, 1000000);
}

static void walk_below(struct importer *in, const struct yaml_entry *entry,
                       const struct import_key *table)
{
	cleanup_free char *path = xasprintf("%s.%s", in->path, entry->key);
	const struct yaml_value *map = in->map;
	const char *before = in->path;

	if (entry->value->type != YAML_MAP) {
		import_expected(in, entry, "a map");
		return;
	}
	in->path = path;
	in->map = entry->value;
	import_walk(in, table);
	in->path = before;
	in->map = map;
}

static void on_availability(struct importer *in, const struct yaml_entry *entry)
{
	static const struct import_key table[] = {
		{"backoff_seconds", NULL,
	         "pauses between restarts are 0, 1, 2, 4, 8, 16, 30 seconds"},
		{"exit_on_end", NULL, "the other services go on when this one ends"},
		{"exit_on_skipped", NULL, "the other services go on when this one is skipped"},
		{"max_restarts", on_max_restarts, NULL},
		{"restart", on_restart, NULL},
		{NULL},
	};

	walk_below(in, entry, table);
	if (!yaml_get(entry->value, "restart"))
		draft_put_str(in->section, import_at(in, entry->pos), NULL, "restart", "no");
}

/* --- the end of a process --- */

static void on_stop_command(struct importer *in, const struct yaml_entry *entry)
{
	const char *text = yaml_text(entry->value);
	cleanup_free char *command = text ? process_shell_text(in, text) : NULL;

	if (!command)
		import_expected(in, entry, "a text");
	else if (!process_has_template(in, entry, command))
		put_command(in, entry, "stop_command", command);
}

static void on_stop_signal(struct importer *in, const struct yaml_entry *entry)
{
	cleanup_free char *name = NULL;
	int64_t number;

	if (!import_int(in, entry, 0, 64, &number) || number == 0)
		return;
	if (!sigabbrev_np((int)number)) {
		import_leave_out(in, entry, "no signal has the number %lld", (long long)number);
		return;
	}
	name = xasprintf("SIG%s", sigabbrev_np((int)number));
	draft_put_str(in->section, import_at(in, entry->pos), NULL, "stop_signal", name);
}

static void on_stop_timeout(struct importer *in, const struct yaml_entry *entry)
{
	import_put_int(in, entry, "stop_timeout", 0, 3600);
}

static void on_shutdown(struct importer *in, const struct yaml_entry *entry)
{
	static const struct import_key table[] = {
		{"command", on_stop_command, NULL},
		{"parent_only", NULL, "nothing that a service started outlives it"},
		{"signal", on_stop_signal, NULL},
		{"timeout_seconds", on_stop_timeout, NULL},
		{NULL},
	};

	walk_below(in, entry, table);
}

/* --- schedules --- */

static void on_cron(struct importer *in, const struct yaml_entry *entry)
{
	import_put_text(in, entry, "schedule");
}

static void on_interval(struct importer *in, const struct yaml_entry *entry)
{
	import_put_duration(in, entry, "every");
}

static void on_schedule(struct importer *in, const struct yaml_entry *entry)
{
	static const struct import_key table[] = {
		{"cron", on_cron, NULL},
		{"interval", on_interval, NULL},
		{"max_concurrent", NULL, "a job never runs twice at a time"},
		{"run_on_start", NULL,
	         "a job first runs when it is due; `locald restart` runs it now"},
		{"timezone", NULL, "times are local"},
		{NULL},
	};

	walk_below(in, entry, table);
}

/* --- what is left of a process --- */

static void on_description(struct importer *in, const struct yaml_entry *entry)
{
	if (yaml_text(entry->value))
		draft_remark(in->section, yaml_text(entry->value));
}

static void on_disabled(struct importer *in, const struct yaml_entry *entry)
{
	bool is_on;

	if (import_bool(in, entry, &is_on) && is_on)
		draft_put_bool(in->section, import_at(in, entry->pos), "autostart", false);
}

static void on_tty(struct importer *in, const struct yaml_entry *entry)
{
	import_put_bool(in, entry, "tty");
}

static void on_working_dir(struct importer *in, const struct yaml_entry *entry)
{
	import_put_text(in, entry, "workdir");
}

static void on_replicas(struct importer *in, const struct yaml_entry *entry)
{
	import_put_int(in, entry, "replicas", 1, 100);
}

static void on_namespace(struct importer *in, const struct yaml_entry *entry)
{
	const char *name = yaml_text(entry->value);

	if (!name || !str_eq(name, "default"))
		import_leave_out(
			in, entry,
			"there are no namespaces; `profiles = [\"%s\"]` would start it only "
			"with --profile %s",
			name ? name : "?", name ? name : "?");
}

static void on_daemon(struct importer *in, const struct yaml_entry *entry)
{
	bool is_on;

	if (import_bool(in, entry, &is_on) && is_on)
		import_leave_out(in, entry,
		                 "a service is what its command runs; let it stay in the "
		                 "foreground");
}

static const struct import_key process_keys[] = {
	{"availability", on_availability, NULL},
	{"command", on_command, NULL},
	{"depends_on", on_depends_on, NULL},
	{"description", on_description, NULL},
	{"disable_ansi_colors", NULL, SCREEN},
	{"disabled", on_disabled, NULL},
	{"entrypoint", on_entrypoint, NULL},
	{"env_file", on_env_file, NULL},
	{"environment", on_environment, NULL},
	{"is_daemon", on_daemon, NULL},
	{"is_dotenv_disabled", on_no_dotenv, NULL},
	{"is_elevated", NULL, "locald runs nothing as another user"},
	{"is_foreground", NULL, "use `locald run` or `locald attach`"},
	{"is_interactive", on_tty, NULL},
	{"is_tty", on_tty, NULL},
	{"launch_timeout_seconds", NULL, "a service is what its command runs"},
	{"liveness_probe", process_liveness, NULL},
	{"log_configuration", NULL, LOGS},
	{"log_location", NULL, LOGS},
	{"namespace", on_namespace, NULL},
	{"readiness_probe", process_readiness, NULL},
	{"ready_log_line", process_ready_line, NULL},
	{"replicas", on_replicas, NULL},
	{"schedule", on_schedule, NULL},
	{"shutdown", on_shutdown, NULL},
	{"vars", NULL, "there are no templates; use the environment"},
	{"working_dir", on_working_dir, NULL},
	{NULL},
};

/* --- a process --- */

static void note_port(struct importer *in, const struct yaml_entry *entry, struct toml_pos pos,
                      const char *name, const char *value)
{
	int64_t port = value ? strtol(value, NULL, 10) : 0;

	if (!str_eq(name, "PORT"))
		return;
	processes_of(in)->is_server = true;
	if (port < 1 || port > 65535 || processes_of(in)->port > 0)
		return;
	processes_of(in)->port = port;
	draft_put_int(in->section, import_at(in, pos), "port", port);
}

/* Who takes a port: a program that is asked by http, or that is told its PORT. */
static void choose_type(struct importer *in, const struct yaml_entry *process)
{
	static const char *const probes[] = {"readiness_probe", "liveness_probe"};
	const struct yaml_entry *environment = yaml_find(in->map, "environment");
	const char *command = yaml_text(yaml_get(in->map, "command"));
	struct processes *all = processes_of(in);

	all->port = 0;
	all->has_check = false;
	all->is_server = command && (strstr(command, "$PORT") || strstr(command, "${PORT"));
	for (size_t i = 0; i < ARRAY_LEN(probes) && all->port == 0; i++) {
		all->port = process_probe_port(in, in->map, probes[i]);
		if (all->port > 0)
			draft_put_int(in->section,
			              import_at(in, yaml_find(in->map, probes[i])->pos), "port",
			              all->port);
	}
	all->is_server = all->is_server || all->port > 0;
	if (environment)
		import_variables(in, environment, note_port);
	if (!all->is_server)
		draft_put_str(in->section, (struct draft_origin){0}, NULL, "type", "worker");
	if (strv_has(&all->awaited, process->key))
		draft_put_bool(in->section, (struct draft_origin){0}, "oneshot", true);
}

static void one_process(struct importer *in, const struct yaml_entry *process)
{
	cleanup_free char *path = xasprintf("processes.%s", process->key);

	in->section = draft_find_service(in->draft, process->key);
	in->path = path;
	in->map = process->value;
	choose_type(in, process);
	import_walk(in, process_keys);
	if (!draft_has(in->section, "restart"))
		draft_put_str(in->section, (struct draft_origin){0}, NULL, "restart", "no");
	if (!draft_has(in->section, "command"))
		draft_skip(in->draft, in->section, "%s has no command that can be imported", path);
	in->section = NULL;
	in->path = NULL;
}

static void on_processes(struct importer *in, const struct yaml_entry *entry)
{
	const struct yaml_value *root = in->map;

	if (entry->value->type != YAML_MAP) {
		import_expected(in, entry, "a map of processes");
		return;
	}
	/* All names first: a dependency may be on one that comes later. */
	array_foreach(process, &entry->value->map)
		draft_add_service(in->draft, process->key, import_at(in, process->pos));
	find_awaited(in, entry->value);
	array_foreach(process, &entry->value->map)
		one_process(in, process);
	in->map = root;
}

/* --- the file --- */

static void on_global_environment(struct importer *in, const struct yaml_entry *entry)
{
	in->section = &in->draft->env;
	import_variables(in, entry, put_variable);
	in->section = NULL;
}

static void on_shell(struct importer *in, const struct yaml_entry *entry)
{
	if (!processes_of(in)->shell)
		import_leave_out(in, entry, "commands are run by sh");
}

static void find_shell(struct importer *in, const struct yaml_value *root)
{
	const struct yaml_value *shell = yaml_get(root, "shell");
	const char *command = yaml_text(yaml_get(shell, "shell_command"));
	const char *argument = yaml_text(yaml_get(shell, "shell_argument"));

	if (!command || str_eq(command, "sh") || str_eq(command, "/bin/sh"))
		return;
	processes_of(in)->shell = command;
	processes_of(in)->shell_argument = argument ? argument : "-c";
}

static const struct import_key file_keys[] = {
	{"disable_env_expansion", NULL, NULL}, /* heeded throughout */
	{"env_cmds", NULL, "write the command into the service's own command"},
	{"environment", on_global_environment, NULL},
	{"extends", NULL, "import the other file, too, and join the two"},
	{"is_strict", NULL, NULL}, /* locald always is */
	{"is_tui_disabled", NULL, SCREEN},
	{"log_configuration", NULL, LOGS},
	{"log_format", NULL, LOGS},
	{"log_length", NULL, LOGS},
	{"log_level", NULL, LOGS},
	{"log_location", NULL, LOGS},
	{"ordered_shutdown", NULL, NULL}, /* locald always does */
	{"processes", on_processes, NULL},
	{"shell", on_shell, NULL},
	{"vars", NULL, "there are no templates; use the environment"},
	{"version", NULL, NULL},
	{NULL},
};

void import_process_compose(struct importer *in, const struct yaml_value *root)
{
	struct processes all = {0};
	bool is_literal;

	in->own = &all;
	in->is_literal =
		yaml_to_bool(yaml_get(root, "disable_env_expansion"), &is_literal) && is_literal;
	find_shell(in, root);
	import_walk(in, file_keys);
	strv_release(&all.awaited);
}
