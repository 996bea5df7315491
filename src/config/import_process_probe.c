#include "config/import_process.h"

#include "base/mem.h"
#include "base/strbuf.h"
#include "config/toml_write.h"

char *process_shell_text(const struct importer *in, const char *text)
{
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	for (; *text; text++) {
		strbuf_addch(&out, *text);
		if (!in->is_literal && text[0] == '$' && text[1] == '$')
			text++;
	}
	return strbuf_detach(&out);
}

bool process_has_template(struct importer *in, const struct yaml_entry *entry, const char *text)
{
	if (!strstr(text, "{{"))
		return false;
	import_leave_out(in, entry, "has a template ({{…}}), write out what it stands for");
	return true;
}

/* --- probes --- */

static int64_t number_of(const struct yaml_value *map, const char *key, int64_t otherwise)
{
	int64_t number;

	return yaml_to_int(yaml_get(map, key), 0, 1000000, &number) ? number : otherwise;
}

int64_t process_probe_port(struct importer *in, const struct yaml_value *process, const char *kind)
{
	const struct yaml_value *http = yaml_get(yaml_get(process, kind), "http_get");
	const struct yaml_entry *entry = yaml_find(http, "port");
	int64_t port = number_of(http, "num_port", 0);

	if (entry && !import_int(in, entry, 1, 65535, &port))
		return 0;
	return port;
}

static void add_times(const struct yaml_value *probe, struct strbuf *out)
{
	int64_t period = number_of(probe, "period_seconds", 10);
	int64_t failures = number_of(probe, "failure_threshold", 3);
	int64_t start = number_of(probe, "initial_delay_seconds", 0) + period * failures;

	strbuf_addf(out, ", interval = %lld, timeout = %lld, retries = %lld",
	            (long long)(period > 0 ? period : 1),
	            (long long)number_of(probe, "timeout_seconds", 1), (long long)failures);
	if (start > 30)
		strbuf_addf(out, ", start_period = %lld", (long long)start);
}

static bool add_http(struct importer *in, const struct yaml_entry *entry,
                     const struct yaml_value *http, struct strbuf *out)
{
	const struct yaml_entry *path = yaml_find(http, "path");
	const char *scheme = yaml_text(yaml_get(http, "scheme"));
	cleanup_free char *text = path ? import_text(in, path, path->value) : xstrdup("/");
	cleanup_free char *absolute =
		text ? xasprintf("%s%s", *text == '/' ? "" : "/", text) : NULL;

	if (!absolute)
		return false;
	if (scheme && !str_eq(scheme, "http")) {
		import_leave_out(in, entry, "a check by %s; only http is known", scheme);
		return false;
	}
	if (!processes_of(in)->is_server) {
		import_leave_out(in, entry, "the port that it asks is not known");
		return false;
	}
	strbuf_adds(out, "type = \"http\", ");
	toml_put_str(out, "path", absolute);
	strbuf_truncate(out, out->len - 1);
	return true;
}

static bool add_exec(struct importer *in, const struct yaml_entry *entry,
                     const struct yaml_value *exec, struct strbuf *out)
{
	const char *text = yaml_text(yaml_get(exec, "command"));
	const char *dir = yaml_text(yaml_get(exec, "working_dir"));
	cleanup_free char *command = text ? process_shell_text(in, text) : NULL;
	cleanup_free char *whole = NULL;

	if (!command || process_has_template(in, entry, command)) {
		if (!command)
			import_leave_out(in, entry, "exec has no command");
		return false;
	}
	whole = dir ? xasprintf("cd %s && %s", dir, command) : xstrdup(command);
	strbuf_adds(out, "type = \"command\", ");
	toml_put_str(out, "command", whole);
	strbuf_truncate(out, out->len - 1);
	return true;
}

static void put_probe(struct importer *in, const struct yaml_entry *entry, bool restarts)
{
	const struct yaml_value *http = yaml_get(entry->value, "http_get");
	const struct yaml_value *exec = yaml_get(entry->value, "exec");
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT;

	strbuf_adds(&out, "health_check = { ");
	if (http   ? !add_http(in, entry, http, &out)
	    : exec ? !add_exec(in, entry, exec, &out)
	           : true) {
		if (!http && !exec)
			import_leave_out(in, entry, "neither http_get nor exec");
		return;
	}
	add_times(entry->value, &out);
	strbuf_adds(&out, restarts ? ", restart = true }" : " }");
	draft_put_toml(in->section, import_at(in, entry->pos), out.buf);
	processes_of(in)->has_check = true;
	if (number_of(entry->value, "success_threshold", 1) > 1)
		import_leave_out(in, entry, "one success is enough (success_threshold)");
}

static bool may_restart(const struct importer *in)
{
	const char *policy = yaml_text(yaml_get(yaml_get(in->map, "availability"), "restart"));

	return policy && !str_eq(policy, "no") && !str_eq(policy, "exit_on_failure");
}

void process_readiness(struct importer *in, const struct yaml_entry *entry)
{
	put_probe(in, entry, yaml_get(in->map, "liveness_probe") && may_restart(in));
}

void process_liveness(struct importer *in, const struct yaml_entry *entry)
{
	if (!yaml_get(in->map, "readiness_probe"))
		put_probe(in, entry, may_restart(in));
	else
		import_leave_out(in, entry, "a service has one check; that of readiness goes on%s",
		                 may_restart(in) ? ", and restarts it" : "");
}

void process_ready_line(struct importer *in, const struct yaml_entry *entry)
{
	const char *text = yaml_text(entry->value);
	cleanup(strbuf_release) struct strbuf out = STRBUF_INIT, pattern = STRBUF_INIT;

	if (!text || !*text) {
		import_expected(in, entry, "a text");
		return;
	}
	if (processes_of(in)->has_check || yaml_get(in->map, "readiness_probe")) {
		import_leave_out(in, entry, "a service has one check");
		return;
	}
	for (; *text; text++)
		strbuf_addf(&pattern, "%s%c", strchr(".[]\\()*+?{}|^$", *text) ? "\\" : "", *text);
	strbuf_adds(&out, "health_check = { type = \"log\", ");
	toml_put_str(&out, "pattern", pattern.buf);
	strbuf_truncate(&out, out.len - 1);
	strbuf_adds(&out, " }");
	draft_put_toml(in->section, import_at(in, entry->pos), out.buf);
	processes_of(in)->has_check = true;
}
