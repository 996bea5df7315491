#include "config/import_compose.h"

#include "base/mem.h"
#include "base/strbuf.h"

#include <ctype.h>

#define KERNEL   "containers have no such setting"
#define NETWORKS "the services of a project reach each other by their names"
#define LOGS     "locald keeps every log: `locald logs`"

/* --- what it runs --- */

static void on_image(struct importer *in, const struct yaml_entry *entry)
{
	if (compose_of(in)->now->is_container)
		import_put_text(in, entry, "image");
}

static void put_path(struct importer *in, const struct yaml_entry *entry, const char *key,
                     const char *path)
{
	cleanup_free char *here = import_path(in, path);

	draft_put_str(in->section, import_at(in, entry->pos), NULL, key, here);
}

static void on_build(struct importer *in, const struct yaml_entry *entry)
{
	const struct yaml_value *build = entry->value;
	const struct yaml_entry *context =
		build->type == YAML_MAP ? yaml_find(build, "context") : entry;
	cleanup_free char *dir = context ? import_text(in, context, context->value) : NULL;

	import_leave_out(in, entry,
	                 "locald reads no Dockerfile: the command runs on the host; `build = {}` "
	                 "would build an image with buildpacks");
	if (dir && (in->dir || !str_eq(dir, ".")))
		put_path(in, context, "workdir", dir);
}

/* Compose splits a text into words itself; no shell sees it. */
static void put_words(struct importer *in, const struct yaml_entry *entry, const char *key)
{
	cleanup(strv_release) struct strv words = STRV_INIT, split = STRV_INIT;
	bool is_list = entry->value->type == YAML_LIST;

	if (entry->value->type == YAML_NULL || !import_strings(in, entry, &words))
		return;
	if (!is_list && !compose_split(words.items[0], &split)) {
		import_leave_out(in, entry, "a quote is not closed");
		return;
	}
	draft_put_strv(in->section, import_at(in, entry->pos), key, is_list ? &words : &split);
}

static void on_command(struct importer *in, const struct yaml_entry *entry)
{
	if (compose_of(in)->now->is_container || entry->value->type == YAML_LIST)
		put_words(in, entry, "command");
	else
		import_put_text(in, entry, "command");
}

static void on_entrypoint(struct importer *in, const struct yaml_entry *entry)
{
	if (compose_of(in)->now->is_container)
		put_words(in, entry, "entrypoint");
	else
		import_leave_out(in, entry, "its command runs on the host");
}

static void on_working_dir(struct importer *in, const struct yaml_entry *entry)
{
	if (compose_of(in)->now->is_container)
		import_put_text(in, entry, "workdir");
	else
		import_leave_out(in, entry, "a folder of the image; the command runs on the host");
}

static void on_user(struct importer *in, const struct yaml_entry *entry)
{
	if (compose_of(in)->now->is_container)
		import_put_text(in, entry, "user");
	else
		import_leave_out(in, entry, "the command runs on the host, as you");
}

/* --- the environment --- */

static bool is_boundary(char c)
{
	return !isalnum((unsigned char)c) && c != '-' && c != '_' && c != '.';
}

/* Does "NAME:PORT", or NAME as a whole, stand at `at` of the text? */
static size_t reference_len(const struct compose_service *service, const char *text, size_t at,
                            bool *ret_has_port)
{
	cleanup_free char *address = xasprintf("%s:%lld", service->name, (long long)service->port);
	size_t len = strlen(address);

	if (!service->runs || service->port == 0 || (at > 0 && !is_boundary(text[at - 1])))
		return 0;
	*ret_has_port = true;
	if (strncmp(text + at, address, len) == 0 && !isalnum((unsigned char)text[at + len]))
		return len;
	*ret_has_port = false;
	return at == 0 && str_eq(text, service->name) ? strlen(service->name) : 0;
}

/* In a network of compose's a service is found by its name. */
static char *with_references(const struct importer *in, const char *text, bool is_host_name)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	for (size_t at = 0; text[at];) {
		size_t len = 0;

		array_foreach(service, &compose_of(in)->services) {
			bool has_port;

			len = reference_len(service, text, at, &has_port);
			if (len > 0 && !has_port && !is_host_name)
				len = 0;
			if (len == 0)
				continue;
			strbuf_addf(&out, "${services.%s.host}", service->section->name);
			if (has_port)
				strbuf_addf(&out, ":${services.%s.port}", service->section->name);
			break;
		}
		if (len == 0)
			strbuf_addch(&out, text[at++]);
		at += len;
	}
	return strbuf_detach(&out);
}

static void put_variable(struct importer *in, const struct yaml_entry *entry, struct toml_pos pos,
                         const char *name, const char *value)
{
	bool is_host_name = strstr(name, "HOST") || strstr(name, "SERVER") || strstr(name, "ADDR");
	cleanup_free char *template = value ? import_template(in, value) : NULL;
	cleanup_free char *text =
		template ? with_references(in, template, is_host_name)
			 : xasprintf("${env.%s:-}", name); /* passed on from the shell */

	draft_put_str(in->section, import_at(in, pos), "env", name, text);
}

static void on_environment(struct importer *in, const struct yaml_entry *entry)
{
	import_variables(in, entry, put_variable);
}

static void on_env_file(struct importer *in, const struct yaml_entry *entry)
{
	cleanup(strv_release) struct strv files = STRV_INIT;

	if (entry->value->type != YAML_LIST) {
		cleanup_free char *text = import_text(in, entry, entry->value);

		if (text)
			strv_add_take(&files, import_path(in, text));
	}
	array_foreach(item, &entry->value->list) {
		const struct yaml_value *path =
			(*item)->type == YAML_MAP ? yaml_get(*item, "path") : *item;
		cleanup_free char *text = path ? import_text(in, entry, path) : NULL;
		bool is_required;

		if (text && yaml_to_bool(yaml_get(*item, "required"), &is_required) && !is_required)
			import_leave_out(in, entry, "%s may be missing: add it when it is there",
			                 text);
		else if (text)
			strv_add_take(&files, import_path(in, text));
	}
	if (files.len > 0)
		draft_put_strv(in->section, import_at(in, entry->pos), "env_file", &files);
}

/* --- dependencies --- */

static struct compose_service *find(const struct importer *in, const char *name)
{
	array_foreach(service, &compose_of(in)->services)
		if (str_eq(service->name, name))
			return service;
	return NULL;
}

static const char *until_of(const char *condition)
{
	static const struct {
		const char *condition, *until;
	} all[] = {
		{"service_completed_successfully", "completed"},
		{"service_healthy", "ready"},
		{"service_started", "started"},
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (str_eq(all[i].condition, condition))
			return all[i].until;
	return NULL;
}

static void put_dependency(struct importer *in, struct toml_pos pos, const char *name,
                           const char *condition)
{
	char key[] = "depends_on";
	const struct yaml_entry at = {.key = key, .pos = pos};
	const struct compose_service *other = find(in, name);
	const char *until = until_of(condition);

	if (!other)
		import_leave_out(in, &at, "no service `%s`", name);
	else if (!other->runs)
		import_leave_out(in, &at, "`%s` is left out", name);
	else if (!until)
		import_leave_out(in, &at, "the condition %s is not known", condition);
	else
		draft_put_str(in->section, import_at(in, pos), "depends_on", other->section->name,
		              until);
}

static void long_dependency(struct importer *in, const struct yaml_entry *entry)
{
	const char *condition = yaml_text(yaml_get(entry->value, "condition"));
	bool is_on;

	put_dependency(in, entry->pos, entry->key, condition ? condition : "service_started");
	if (yaml_to_bool(yaml_get(entry->value, "restart"), &is_on) && is_on)
		import_leave_out(in, entry,
		                 "restarts with it only by `locald restart --with-dependents`");
	if (yaml_to_bool(yaml_get(entry->value, "required"), &is_on) && !is_on)
		import_leave_out(in, entry, "every dependency is required");
}

static void on_depends_on(struct importer *in, const struct yaml_entry *entry)
{
	if (entry->value->type == YAML_LIST) {
		array_foreach(item, &entry->value->list)
			if (yaml_text(*item))
				put_dependency(in, (*item)->pos, (*item)->text, "service_started");
	} else if (entry->value->type == YAML_MAP) {
		array_foreach(dependency, &entry->value->map)
			long_dependency(in, dependency);
	} else {
		import_expected(in, entry, "a list or a map of services");
	}
}

static void find_awaited(struct importer *in)
{
	array_foreach(service, &compose_of(in)->services) {
		const struct yaml_value *deps = yaml_get(service->map, "depends_on");

		if (!deps)
			continue;
		array_foreach(dependency, &deps->map) {
			const char *condition = yaml_text(yaml_get(dependency->value, "condition"));
			struct compose_service *other = find(in, dependency->key);

			if (other && condition &&
			    str_eq(condition, "service_completed_successfully"))
				other->is_awaited = true;
		}
	}
}

/* --- its life --- */

static void on_restart(struct importer *in, const struct yaml_entry *entry)
{
	cleanup_free char *text = import_text(in, entry, entry->value);
	const char *number = text && str_starts(text, "on-failure:") ? strchr(text, ':') + 1 : NULL;
	const char *policy = NULL;

	if (!text)
		return;
	if (str_eq(text, "no") || str_eq(text, "false"))
		policy = "no";
	else if (str_eq(text, "always") || str_eq(text, "unless-stopped"))
		policy = "always";
	else if (str_eq(text, "on-failure") || number)
		policy = "on-failure";
	if (!policy) {
		import_leave_out(in, entry, "expected no, always, unless-stopped or on-failure");
		return;
	}
	draft_put_str(in->section, import_at(in, entry->pos), NULL, "restart", policy);
	if (number)
		draft_put_int(in->section, import_at(in, entry->pos), "max_restarts",
		              strtol(number, NULL, 10));
}

static void on_profiles(struct importer *in, const struct yaml_entry *entry)
{
	import_put_strings(in, entry, "profiles");
}

static void on_stop_signal(struct importer *in, const struct yaml_entry *entry)
{
	import_put_text(in, entry, "stop_signal");
}

static void on_stop_grace(struct importer *in, const struct yaml_entry *entry)
{
	import_put_duration(in, entry, "stop_timeout");
}

static void on_tty(struct importer *in, const struct yaml_entry *entry)
{
	bool is_on;

	if (import_bool(in, entry, &is_on) && is_on)
		draft_put_bool(in->section, import_at(in, entry->pos), "tty", true);
}

static void on_stdin(struct importer *in, const struct yaml_entry *entry)
{
	bool is_on;

	if (import_bool(in, entry, &is_on) && is_on)
		draft_put_bool(in->section, import_at(in, entry->pos), "stdin", true);
}

static void on_scale(struct importer *in, const struct yaml_entry *entry)
{
	import_put_int(in, entry, "replicas", 1, 100);
}

static void on_network_mode(struct importer *in, const struct yaml_entry *entry)
{
	const char *mode = yaml_text(entry->value);

	if (mode && (str_eq(mode, "host") || str_eq(mode, "none")))
		draft_put_str(in->section, import_at(in, entry->pos), NULL, "network", mode);
	else
		import_leave_out(in, entry, NETWORKS);
}

static void on_deploy(struct importer *in, const struct yaml_entry *entry)
{
	array_foreach(part, &entry->value->map) {
		if (str_eq(part->key, "replicas")) {
			on_scale(in, part);
		} else if (str_eq(part->key, "resources")) {
			array_foreach(kind, &part->value->map)
				if (!str_eq(kind->key, "limits"))
					import_leave_out(in, kind, "nothing is reserved");
		} else {
			import_leave_out(in, part, "nothing is deployed");
		}
	}
}

static const struct import_key service_keys[] = {
	{"annotations", NULL, KERNEL},
	{"attach", NULL, LOGS},
	{"build", on_build, NULL},
	{"cap_add", NULL, KERNEL},
	{"cap_drop", NULL, KERNEL},
	{"command", on_command, NULL},
	{"container_name", NULL, "it has the service's name"},
	{"cpus", NULL, NULL}, /* of the limits */
	{"depends_on", on_depends_on, NULL},
	{"deploy", on_deploy, NULL},
	{"devices", NULL, KERNEL},
	{"dns", NULL, KERNEL},
	{"entrypoint", on_entrypoint, NULL},
	{"env_file", on_env_file, NULL},
	{"environment", on_environment, NULL},
	{"expose", NULL, NULL}, /* looked at for the port */
	{"extends", NULL, "write out what it extends"},
	{"extra_hosts", NULL, KERNEL},
	{"healthcheck", compose_healthcheck, NULL},
	{"hostname", NULL, KERNEL},
	{"image", on_image, NULL},
	{"init", NULL, NULL}, /* a container of locald always has one */
	{"ipc", NULL, KERNEL},
	{"labels", NULL, KERNEL},
	{"links", NULL, NETWORKS},
	{"logging", NULL, LOGS},
	{"mem_limit", NULL, NULL}, /* of the limits */
	{"network_mode", on_network_mode, NULL},
	{"networks", NULL, NETWORKS},
	{"pids_limit", NULL, NULL}, /* of the limits */
	{"platform", NULL, "images are for this machine"},
	{"ports", compose_ports, NULL},
	{"privileged", NULL, "nothing is privileged"},
	{"profiles", on_profiles, NULL},
	{"pull_policy", NULL, "an image is pulled when it is not there"},
	{"read_only", NULL, KERNEL},
	{"restart", on_restart, NULL},
	{"scale", on_scale, NULL},
	{"secrets", NULL, "write them to an env file"},
	{"security_opt", NULL, KERNEL},
	{"shm_size", NULL, KERNEL},
	{"stdin_open", on_stdin, NULL},
	{"stop_grace_period", on_stop_grace, NULL},
	{"stop_signal", on_stop_signal, NULL},
	{"sysctls", NULL, KERNEL},
	{"tmpfs", NULL, KERNEL},
	{"tty", on_tty, NULL},
	{"ulimits", NULL, KERNEL},
	{"user", on_user, NULL},
	{"volumes", compose_volumes, NULL},
	{"working_dir", on_working_dir, NULL},
	{NULL},
};

/* --- a service --- */

static void put_port(struct importer *in, const struct compose_service *service)
{
	struct draft_origin from = import_at(in, service->port_pos);

	if (service->port == 0) {
		draft_put_str(in->section, (struct draft_origin){0}, NULL, "type", "worker");
		return;
	}
	if (service->port_pos.line == 0)
		from = (struct draft_origin){0};
	if (service->is_container)
		draft_put_int(in->section, from, "container_port", service->port);
	if (!service->is_container || service->published > 0)
		draft_put_int(in->section, from, "port",
		              service->is_container ? service->published : service->port);
}

static void one_service(struct importer *in, struct compose_service *service)
{
	cleanup_free char *path = xasprintf("services.%s", service->name);

	in->section = service->section;
	in->path = path;
	in->map = service->map;
	compose_of(in)->now = service;
	if (!service->runs) {
		draft_skip(
			in->draft, service->section,
			"%s is built from a Dockerfile, which locald does not read: give its "
			"command here and run it on the host, or write `build = {}` for buildpacks",
			path);
	} else {
		put_port(in, service);
		if (service->is_awaited)
			draft_put_bool(in->section, (struct draft_origin){0}, "oneshot", true);
		import_walk(in, service_keys);
		compose_put_limits(in);
		if (!draft_has(in->section, "restart"))
			draft_put_str(in->section, (struct draft_origin){0}, NULL, "restart", "no");
	}
	in->section = NULL;
	in->path = NULL;
}

static void note_service(struct importer *in, const struct yaml_entry *entry)
{
	bool has_build = yaml_get(entry->value, "build") != NULL;
	const struct yaml_value *command = yaml_get(entry->value, "command");
	struct compose_service *service;

	if (in->only_images && has_build)
		return;
	service = array_add(&compose_of(in)->services);
	service->name = entry->key;
	service->map = entry->value;
	service->section = draft_add_service(in->draft, entry->key, import_at(in, entry->pos));
	service->is_container = !has_build && yaml_get(entry->value, "image");
	service->runs =
		service->is_container || (has_build && command && command->type != YAML_NULL);
	compose_find_port(in, service);
}

static void on_services(struct importer *in, const struct yaml_entry *entry)
{
	const struct yaml_value *root = in->map;

	if (entry->value->type != YAML_MAP) {
		import_expected(in, entry, "a map of services");
		return;
	}
	/* All of them first: a service may speak of one that comes later. */
	array_foreach(service, &entry->value->map)
		note_service(in, service);
	find_awaited(in);
	array_foreach(service, &compose_of(in)->services)
		one_service(in, service);
	in->map = root;
}

/* --- the file --- */

static void on_name(struct importer *in, const struct yaml_entry *entry)
{
	in->section = &in->draft->project;
	import_put_text(in, entry, "name");
	in->section = NULL;
}

static void on_volumes(struct importer *in, const struct yaml_entry *entry)
{
	array_foreach(volume, &entry->value->map)
		if (volume->value->type == YAML_MAP && volume->value->map.len > 0)
			import_leave_out(in, volume, "a volume has no settings");
}

static const struct import_key file_keys[] = {
	{"configs", NULL, "files are where they are"},
	{"include", NULL, "import the other file, too, and join the two"},
	{"name", on_name, NULL},
	{"networks", NULL, NETWORKS},
	{"secrets", NULL, "write them to an env file"},
	{"services", on_services, NULL},
	{"version", NULL, NULL},
	{"volumes", on_volumes, NULL},
	{NULL},
};

void import_compose(struct importer *in, const struct yaml_value *root)
{
	struct compose_file file = {0};

	in->own = &file;
	in->map = root;
	import_walk(in, file_keys);
	array_release(&file.services);
}
