#include "config/project_read.h"

#include "base/cron.h"
#include "base/error.h"
#include "base/glob.h"
#include "base/strbuf.h"
#include "config/interpolate.h"

#include <regex.h>

struct checker {
	const struct project_config *project;
	struct diagnostics *diags;
	const struct service_config *service; /* being checked; NULL: the project */
	const struct env_entry *entry;        /* the variable being checked … */
	const char *table;                    /* … and the table it is in: "build.env" */
};

static void at_file(struct diagnostic *diag, const struct config_file *file, struct toml_pos pos,
                    const char *label)
{
	const struct config_place place = {NULL, file, pos};

	diag_at_place(diag, &place, label);
}

/* A finding about a service: at its key where that was given, else at its name. */
static struct diagnostic *report(const struct checker *c, const char *key, const char *id,
                                 const char *fmt, ...) printf_like(4, 5);
static struct diagnostic *report(const struct checker *c, const char *key, const char *id,
                                 const char *fmt, ...)
{
	const struct config_place *place = key ? service_place_of(c->service, key) : NULL;
	cleanup_free char *text = NULL;
	struct diagnostic *diag;
	va_list args;

	va_start(args, fmt);
	text = xvasprintf(fmt, args);
	va_end(args);
	diag = diag_add(c->diags, id, "%s", text);
	if (place)
		diag_at_place(diag, place, NULL);
	else
		at_file(diag, c->service->file, c->service->pos, NULL);
	return diag;
}

/* --- one service --- */

static void check_command(const struct checker *c)
{
	const struct service_config *service = c->service;
	bool has_image = service->build.is_set || service->image;
	struct diagnostic *diag;

	if (service->mode == MODE_CONTAINER && !has_image) {
		const char *key = service_place_of(service, "mode") ? "mode" : "type";

		diag = report(c, key, "C022", "services.%s: container mode needs build or image",
		              service->name);
		diag_help(diag, "add `build = {}` or `image = \"…\"`");
	} else if (service->mode == MODE_HOST && !service_type_is_managed(service->type) &&
	           !config_command_is_set(&service->command)) {
		diag = report(c, "mode", "C021", "services.%s: no command", service->name);
		diag_help(diag, "add `command = \"…\"`, or `%s: …` to a Procfile", service->name);
	}
	if (service->build.is_set && service->image)
		report(c, "image", "C024", "services.%s: build and image exclude each other",
		       service->name);
	if (service->has_entrypoint && !has_image)
		report(c, "entrypoint", "C024", "services.%s: entrypoint needs build or image",
		       service->name);
	if (service->user && !has_image)
		report(c, "user", "C024", "services.%s: user needs build or image", service->name);
}

/* What locald runs by itself takes none of the keys that say what to run. */
static void check_managed(const struct checker *c)
{
	static const char *const keys[] = {"command", "image", "mode", "entrypoint", "user"};
	const struct service_config *service = c->service;
	const char *type = service_type_name(service->type);

	if (service->type == SERVICE_SITE && !service->path)
		diag_help(report(c, "type", "C021", "services.%s: a site needs a path",
		                 service->name),
		          "add `path = \"…\"`, the folder with its files");
	if (service->type != SERVICE_SITE && service->path)
		report(c, "path", "C024", "services.%s: path needs type \"site\"", service->name);
	if (service->type != SERVICE_SITE && service->build_command)
		diag_help(report(c, "build", "C024",
		                 "services.%s: build as a text needs type \"site\"", service->name),
		          "for an image write `build = {}`");
	if (service->version && service->type != SERVICE_POSTGRES)
		report(c, "version", "C024", "services.%s: version needs type \"postgres\"",
		       service->name);
	if (!service_type_is_managed(service->type))
		return;
	if (service->replicas > 1 && service_type_is_database(service->type))
		report(c, "replicas", "C024", "services.%s: replicas of a %s would share its data",
		       service->name, type);
	if (service->build.is_set)
		report(c, "build", "C024", "services.%s: a %s has no image", service->name, type);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (service_place_of(service, keys[i]))
			report(c, keys[i], "C024", "services.%s: a %s takes no %s", service->name,
			       type, keys[i]);
}

static void check_container(const struct checker *c)
{
	const struct service_config *service = c->service;

	if (service->container_port && service->mode == MODE_HOST)
		report(c, "container_port", "W002",
		       "services.%s.container_port has no effect without a container",
		       service->name);
	else if (service->container_port && service->network == NETWORK_HOST &&
	         service->container_port != service->port)
		diag_help(report(c, "container_port", "C024",
		                 "services.%s: on the host's network container_port is its port",
		                 service->name),
		          "remove `port`, or `network = \"host\"`");
	if (service->network == NETWORK_NONE && (service->container_port || service->port))
		diag_help(report(c, service->port ? "port" : "container_port", "C024",
		                 "services.%s: without a network it has no port", service->name),
		          "remove `network = \"none\"`: a private network is the default");
	if (service_place_of(service, "network") && !service->build.is_set && !service->image)
		report(c, "network", "C024", "services.%s: network needs build or image",
		       service->name);
	if (service->mode == MODE_CONTAINER && service->image && service->is_workdir_relative)
		report(c, "workdir", "C011",
		       "services.%s.workdir: is inside the container and must begin with /",
		       service->name);
}

/* What only a container has. */
static void check_container_only(const struct checker *c)
{
	static const char *const limits[] = {"limits.cpus", "limits.memory", "limits.pids"};
	const struct service_config *service = c->service;

	if (service->mode == MODE_CONTAINER)
		return;
	if (service->volumes.list.len > 0)
		report(c, "volumes", "W002",
		       "services.%s.volumes has no effect without a container", service->name);
	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		if (service_place_of(service, limits[i]))
			report(c, limits[i], "C013",
			       "services.%s.%s is not supported yet without a container",
			       service->name, limits[i]);
}

static void check_health(const struct checker *c)
{
	const struct service_config *service = c->service;
	const struct health_config *health = &service->health;
	bool needs_port = health->type == HEALTH_HTTP || health->type == HEALTH_TCP;

	if (service->type == SERVICE_WORKER && service->port)
		report(c, "port", "C024", "services.%s: a worker has no port", service->name);
	if (service->type == SERVICE_WORKER && needs_port)
		report(c, "health_check", "C024",
		       "services.%s: a worker has no port to check; use a command", service->name);
	if (health->type == HEALTH_COMMAND && !config_command_is_set(&health->command))
		report(c, "health_check", "C021",
		       "services.%s.health_check: type \"command\" needs a command", service->name);
	if (health->type != HEALTH_COMMAND && config_command_is_set(&health->command))
		report(c, "health_check.command", "C024",
		       "services.%s.health_check: command needs type \"command\"", service->name);
	if (health->type != HEALTH_HTTP && health->path)
		report(c, "health_check.path", "C024",
		       "services.%s.health_check: path needs type \"http\"", service->name);
	if (health->type == HEALTH_HTTP && health->path[0] != '/')
		report(c, "health_check.path", "C011",
		       "services.%s.health_check.path: must begin with /", service->name);
}

static void check_pattern(const struct checker *c)
{
	const struct service_config *service = c->service;
	const char *pattern = service->health.pattern;
	char text[128];
	regex_t regex;
	int bad;

	if (!pattern && service->health.type == HEALTH_LOG)
		report(c, "health_check.type", "C021",
		       "services.%s.health_check: type \"log\" needs a pattern", service->name);
	if (!pattern)
		return;
	if (service->health.type != HEALTH_LOG)
		report(c, "health_check.pattern", "C024",
		       "services.%s.health_check: pattern needs type \"log\"", service->name);
	bad = regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB);
	if (bad) {
		regerror(bad, &regex, text, sizeof(text));
		diag_help(report(c, "health_check.pattern", "C011",
		                 "services.%s.health_check.pattern: %s", service->name, text),
		          "it is a POSIX extended regular expression, see regex(7)");
	} else {
		regfree(&regex);
	}
}

static void check_told_health(const struct checker *c)
{
	const struct service_config *service = c->service;

	check_pattern(c);
	if (service->health.restart && service->restart == RESTART_NO)
		report(c, "health_check.restart", "C024",
		       "services.%s: health_check.restart and restart = \"no\" exclude each other",
		       service->name);
}

static void check_schedule(const struct checker *c)
{
	const struct service_config *service = c->service;
	cleanup(error_release) struct error err = ERROR_INIT;
	struct cron cron;

	if (service->schedule && cron_parse(service->schedule, &cron, &err) < 0)
		diag_help(report(c, "schedule", "C011", "services.%s.schedule: %s", service->name,
		                 err.text),
		          "%s", err.hint ? err.hint : "five fields as in crontab(5), or @hourly");
	if (!config_is_job(service))
		return;
	if (service->schedule && service->every_ms)
		report(c, "every", "C024", "services.%s: every and schedule exclude each other",
		       service->name);
	if (service->restart == RESTART_ALWAYS)
		report(c, "restart", "C024", "services.%s: a job runs when it is due, not always",
		       service->name);
	if (service->port || service->health.type != HEALTH_DEFAULT)
		report(c, service->port ? "port" : "health_check", "C024",
		       "services.%s: a job has no %s", service->name,
		       service->port ? "port" : "health_check");
}

static void check_replicas(const struct checker *c)
{
	const struct service_config *service = c->service;

	if (service->replicas > 1 && service->port)
		diag_help(report(c, "port", "C024", "services.%s: replicas cannot share a port",
		                 service->name),
		          "remove `port`: each gets one of its own as $PORT");
	for (int i = 1; service->replicas > 1 && i <= service->replicas; i++) {
		cleanup_free char *name = xasprintf("%s-%d", service->name, i);
		const struct service_config *other = project_service(c->project, name);

		if (!other)
			continue;
		at_file(report(c, "replicas", "C014",
		               "services.%s: one of its replicas has the name of the service `%s`",
		               service->name, name),
		        other->file, other->pos, "the service");
	}
}

static void check_patterns(const struct checker *c, const char *key, const struct strv *patterns)
{
	cleanup(strv_release) struct strv all = STRV_INIT;
	cleanup(error_release) struct error err = ERROR_INIT;

	for (size_t i = 0; i < patterns->len; i++) {
		if (glob_expand(patterns->items[i], PROJECT_MAX_PATTERNS, &all, &err) == 0 &&
		    *patterns->items[i])
			continue;
		report(c, key, "C011", "services.%s.%s: \"%s\" is no pattern: %s", c->service->name,
		       key, patterns->items[i], err.text ? err.text : "it is empty");
		return;
	}
}

static void check_watch(const struct checker *c)
{
	check_patterns(c, "watch", &c->service->watch);
	check_patterns(c, "watch_ignore", &c->service->watch_ignore);
}

static void check_dependencies(const struct checker *c)
{
	array_foreach(dep, &c->service->depends_on.list) {
		const struct service_config *other = project_service(c->project, dep->service);
		const char *near = project_nearest_service(c->project, dep->service);
		struct diagnostic *diag;

		if (!other) {
			diag = diag_add(c->diags, "C030", "services.%s.depends_on: no service `%s`",
			                c->service->name, dep->service);
			at_file(diag, dep->file, dep->pos, NULL);
			if (near)
				diag_help(diag, "did you mean `%s`?", near);
		} else if (config_is_job(other)) {
			diag = diag_add(c->diags, "C032",
			                "services.%s.depends_on: `%s` runs when it is due, "
			                "nothing can wait for it",
			                c->service->name, dep->service);
			at_file(diag, dep->file, dep->pos, NULL);
		} else if (dep->until == DEPENDENCY_COMPLETED && !other->oneshot) {
			diag = diag_add(c->diags, "C032",
			                "services.%s.depends_on: `%s` never completes",
			                c->service->name, dep->service);
			at_file(diag, dep->file, dep->pos, NULL);
			diag_help(diag, "set `oneshot = true` in [services.%s]", dep->service);
		}
	}
}

/* --- references --- */

/*
 * The place of a part of a string: exact where the string stands in the file as
 * it is (no escapes, one line), else the whole string.
 */
static struct toml_pos pos_within(const struct env_entry *entry, size_t at, size_t len)
{
	const char *line = entry->file->text, *end = line + entry->file->len;
	struct toml_pos pos = entry->pos;
	const char *written;

	for (int i = 1; i < pos.line; i++) {
		line = memchr(line, '\n', (size_t)(end - line));
		if (!line)
			return pos;
		line++;
	}
	written = line + pos.column - 1 + 1 + at; /* after the quote */
	if (written > end || (size_t)(end - written) < len || at + len > strlen(entry->value) ||
	    memcmp(written, entry->value + at, len) != 0)
		return pos;
	pos.column += 1 + (int)at;
	pos.length = (int)len;
	return pos;
}

static void report_reference(const struct checker *c, size_t at, size_t len, const char *id,
                             const char *text, const char *near)
{
	struct diagnostic *diag =
		diag_add(c->diags, id, "%s%s%s%s.%s: %s", c->service ? "services." : "",
	                 c->service ? c->service->name : "", c->service ? "." : "", c->table,
	                 c->entry->name, text);

	at_file(diag, c->entry->file, pos_within(c->entry, at, len), NULL);
	if (near)
		diag_help(diag, "did you mean `%s`?", near);
}

static int check_reference(const struct reference *ref, size_t at, size_t len, void *data,
                           struct error *err)
{
	const struct checker *c = data;
	const struct service_config *other;
	cleanup_free char *text = NULL;

	if (!ref->service)
		return 0;
	other = project_service(c->project, ref->service);
	if (!other) {
		text = xasprintf("no service `%s`", ref->service);
		report_reference(c, at, len, "C033", text,
		                 project_nearest_service(c->project, ref->service));
	} else if (other->type == SERVICE_WORKER &&
	           (ref->kind == REFERENCE_SERVICE_URL || ref->kind == REFERENCE_SERVICE_PORT)) {
		text = xasprintf("`%s` is a worker, it has no port", ref->service);
		report_reference(c, at, len, "C033", text, NULL);
	}
	return 0;
}

static void check_env(struct checker *c, const char *table, const struct env_list *env)
{
	c->table = table;
	array_foreach(entry, &env->list) {
		cleanup(error_release) struct error err = ERROR_INIT;
		size_t at = 0, len = 0;

		c->entry = entry;
		if (interpolate_each(entry->value, check_reference, c, &at, &len, &err) < 0)
			report_reference(c, at, len, "C034", err.text, NULL);
	}
}

/* --- cycles --- */

enum colour { WHITE, GREY, BLACK };

struct cycle_search {
	struct checker *c;
	enum colour *colours;
	size_t *path; /* services that are grey, in order */
	size_t depth;
};

static size_t index_of(const struct project_config *project, const char *name)
{
	size_t i = 0;

	while (i < project->services.len && !str_eq(project->services.items[i]->name, name))
		i++;
	return i;
}

static const struct dependency *edge(const struct service_config *from, const char *to)
{
	array_foreach(dep, &from->depends_on.list)
		if (str_eq(dep->service, to))
			return dep;
	return NULL;
}

/* The path from `first` on, and back to it. */
static void report_cycle(struct cycle_search *search, size_t first)
{
	struct service_config **services = search->c->project->services.items;
	cleanup(strbuf_release) struct strbuf way = STRBUF_INIT;
	struct diagnostic *diag;

	for (size_t i = first; i < search->depth; i++)
		strbuf_addf(&way, "%s → ", services[search->path[i]]->name);
	diag = diag_add(search->c->diags, "C031", "dependency cycle: %s%s", way.buf,
	                services[search->path[first]]->name);
	for (size_t i = first; i < search->depth; i++) {
		const struct service_config *from = services[search->path[i]];
		size_t next = i + 1 < search->depth ? i + 1 : first;
		const struct dependency *dep = edge(from, services[search->path[next]]->name);
		cleanup_free char *label = xasprintf("%s.depends_on", from->name);

		at_file(diag, dep->file, dep->pos, label);
	}
}

static void search_cycles(struct cycle_search *search, size_t i)
{
	const struct project_config *project = search->c->project;

	search->colours[i] = GREY;
	search->path[search->depth++] = i;
	array_foreach(dep, &project->services.items[i]->depends_on.list) {
		size_t next = index_of(project, dep->service), first = 0;

		if (next == project->services.len || search->colours[next] == BLACK)
			continue;
		if (search->colours[next] == WHITE) {
			search_cycles(search, next);
			continue;
		}
		while (search->path[first] != next)
			first++;
		report_cycle(search, first);
	}
	search->depth--;
	search->colours[i] = BLACK;
}

static void check_cycles(struct checker *c)
{
	size_t count = c->project->services.len;
	cleanup_free enum colour *colours = xcalloc(count + 1, sizeof(*colours));
	cleanup_free size_t *path = xcalloc(count + 1, sizeof(*path));
	struct cycle_search search = {c, colours, path, 0};

	for (size_t i = 0; i < count; i++)
		if (colours[i] == WHITE)
			search_cycles(&search, i);
}

/* --- names --- */

static void check_labels(const struct project_config *project, struct diagnostics *diags)
{
	cleanup(strv_release) struct strv labels = STRV_INIT;

	for (size_t i = 0; i < project->services.len; i++) {
		const struct service_config *service = project->services.items[i], *other;
		size_t first = 0;
		struct diagnostic *diag;

		strv_add_take(&labels, config_make_label(service->name));
		while (!str_eq(labels.items[first], labels.items[i]))
			first++;
		if (first == i)
			continue;
		other = project->services.items[first];
		diag = diag_add(diags, "C025", "services `%s` and `%s` would share the URL name %s",
		                other->name, service->name, labels.items[i]);
		at_file(diag, service->file, service->pos, NULL);
		at_file(diag, other->file, other->pos, "the other one");
	}
}

/* --- all --- */

static void check_any_service(const struct checker *c)
{
	const struct config_file *file =
		c->project->files.len > 0 ? c->project->files.items[c->project->files.len - 1]
					  : NULL;
	struct diagnostic *diag;

	if (c->project->services.len > 0)
		return;
	diag = diag_add(c->diags, "C023", "no services");
	if (file)
		at_file(diag, file, (struct toml_pos){0}, NULL);
	diag_help(diag, "a service is written as [services.web] with `command = \"…\"`");
}

void project_check(const struct project_config *project, struct diagnostics *diags)
{
	struct checker c = {.project = project, .diags = diags};
	/* What is missing may be missing only because its key was misspelt. */
	bool is_whole = diag_error_count(diags) == 0;

	if (is_whole)
		check_any_service(&c);
	check_env(&c, "env", &project->env);
	array_foreach(service, &project->services) {
		c.service = *service;
		if (is_whole) {
			check_command(&c);
			check_managed(&c);
			check_container(&c);
			check_container_only(&c);
			check_health(&c);
			check_told_health(&c);
			check_replicas(&c);
			check_schedule(&c);
		}
		check_env(&c, "env", &c.service->env);
		check_env(&c, "build.env", &c.service->build.env);
		check_dependencies(&c);
		check_watch(&c);
	}
	check_labels(project, diags);
	check_cycles(&c);
}
