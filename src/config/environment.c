#include "config/environment.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/strbuf.h"
#include "config/dotenv.h"
#include "config/interpolate.h"

#include <errno.h>

/* Where ${…} is written: a variable of one service. Interned, so that addresses compare. */
struct scope {
	const struct service_config *service;
	const struct env_entry *entry;
};

/* The env files of one service, read once. */
struct file_env {
	const struct service_config *service;
	struct strv env;
};

struct maker {
	const struct project_config *project;
	const struct environment_source *source;
	struct diagnostics *diags;
	struct error *err;
	ARRAY(struct scope *) scopes;
	ARRAY(struct file_env *) files;
};

static void maker_release(struct maker *maker)
{
	array_foreach(scope, &maker->scopes)
		free(*scope);
	array_foreach(file, &maker->files) {
		strv_release(&(*file)->env);
		free(*file);
	}
	array_release(&maker->scopes);
	array_release(&maker->files);
}

static const struct scope *intern(struct maker *maker, const struct service_config *service,
                                  const struct env_entry *entry)
{
	struct scope *new;

	array_foreach(scope, &maker->scopes)
		if ((*scope)->service == service && (*scope)->entry == entry)
			return *scope;
	new = xmalloc(sizeof(*new));
	*new = (struct scope){service, entry};
	*array_add(&maker->scopes) = new;
	return new;
}

/* --- env files --- */

static const char *shell_lookup(const char *name, void *data)
{
	const struct maker *maker = data;

	return maker->source->shell ? strv_env_get(maker->source->shell, name) : NULL;
}

static int read_env_file(struct maker *maker, const struct service_config *service,
                         const char *name, bool must_exist, struct strv *env, struct error *err)
{
	cleanup_free char *path = path_absolute(maker->project->root, name);
	struct diagnostic *diag;

	/* A virtualenv may be called .env too. */
	if (fs_exists(path) && (must_exist || !fs_is_dir(path)))
		return dotenv_read(path, name, shell_lookup, maker, env, maker->diags, err);
	if (!must_exist)
		return 0;
	diag = diag_add(maker->diags, "C044", "services.%s.env_file: there is no %s", service->name,
	                name);
	diag_at_place(diag, service_place_of(service, "env_file"), NULL);
	return diag_to_error(maker->diags, err);
}

static const struct strv *env_of_files(struct maker *maker, const struct service_config *service,
                                       struct error *err)
{
	struct file_env *new;
	int rc = 0;

	array_foreach(file, &maker->files)
		if ((*file)->service == service)
			return &(*file)->env;
	new = xcalloc(1, sizeof(*new));
	new->service = service;
	*array_add(&maker->files) = new;
	if (!service->has_env_files)
		rc = read_env_file(maker, service, PROJECT_ENV_FILE, false, &new->env, err);
	for (size_t i = 0; i < service->env_files.len && rc == 0; i++)
		rc = read_env_file(maker, service, service->env_files.items[i], true, &new->env,
		                   err);
	return rc < 0 ? NULL : &new->env;
}

/* --- references --- */

static const struct env_entry *entry_of(const struct env_list *env, const char *name)
{
	array_foreach(entry, &env->list)
		if (str_eq(entry->name, name))
			return entry;
	return NULL;
}

static const struct strv *injected(const struct maker *maker, const struct service_config *service)
{
	return maker->source->injected ? maker->source->injected(service->name, maker->source->data)
	                               : NULL;
}

/*
 * A variable of a service, from the top layer down.  Seen from its own value
 * (`scope`) a variable is what the layers below that value say.
 */
static int variable(struct maker *maker, const struct service_config *service, const char *name,
                    const struct scope *scope, bool with_shell, struct reference_value *ret,
                    struct error *err)
{
	const struct strv *top = injected(maker, service), *files;
	const struct env_entry *own = entry_of(&service->env, name);
	const struct env_entry *shared = entry_of(&maker->project->env, name);
	const struct env_entry *self = NULL, *found;
	const char *value;

	if (scope && scope->service == service && str_eq(scope->entry->name, name))
		self = scope->entry;
	value = top && !self ? strv_env_get(top, name) : NULL;
	found = !self && own ? own : self != shared ? shared : NULL;
	if (!value && found) {
		ret->text = xstrdup(found->value);
		ret->is_template = true;
		ret->scope = intern(maker, service, found);
		return 1;
	}
	files = value ? NULL : env_of_files(maker, service, err);
	if (!value && !files)
		return -1;
	if (!value)
		value = strv_env_get(files, name);
	if (!value && with_shell)
		value = shell_lookup(name, maker);
	ret->text = xstrdup_null(value);
	return value != NULL;
}

static int look_up_service(struct maker *maker, const struct reference *ref,
                           struct reference_value *ret, struct error *err)
{
	const struct environment_source *source = maker->source;
	const struct service_config *service = project_service(maker->project, ref->service);
	int port;

	if (!service)
		return error_set(err, ERR_CONFIG, "no service `%s`", ref->service);
	if (ref->kind == REFERENCE_SERVICE_ENV)
		return variable(maker, service, ref->name, ref->scope, false, ret, err);
	if (ref->kind == REFERENCE_SERVICE_PORT) {
		port = source->port ? source->port(ref->service, source->data) : 0;
		ret->text = port > 0 ? xasprintf("%d", port) : NULL;
	} else if (ref->kind == REFERENCE_SERVICE_USER || ref->kind == REFERENCE_SERVICE_PASSWORD) {
		const char *name = ref->kind == REFERENCE_SERVICE_USER ? "user" : "password";

		ret->text =
			source->detail ? source->detail(ref->service, name, source->data) : NULL;
	} else if (ref->kind == REFERENCE_SERVICE_URL) {
		ret->text = source->url ? source->url(ref->service, source->data) : NULL;
	} else {
		ret->text = source->host ? source->host(ref->service, source->data) : NULL;
	}
	return ret->text != NULL;
}

static int look_up(const struct reference *ref, struct reference_value *ret, void *data,
                   struct error *err)
{
	struct maker *maker = data;
	const struct scope *scope = ref->scope;

	switch (ref->kind) {
	case REFERENCE_VAR:
		return variable(maker, scope->service, ref->name, scope, true, ret, err);
	case REFERENCE_ENV:
		ret->text = xstrdup_null(shell_lookup(ref->name, maker));
		return ret->text != NULL;
	case REFERENCE_PROJECT_NAME:
		ret->text = xstrdup(maker->project->name);
		return 1;
	case REFERENCE_PROJECT_DOMAIN:
		ret->text = xstrdup(maker->project->domain);
		return 1;
	case REFERENCE_SERVICE_URL:
	case REFERENCE_SERVICE_HOST:
	case REFERENCE_SERVICE_PORT:
	case REFERENCE_SERVICE_USER:
	case REFERENCE_SERVICE_PASSWORD:
	case REFERENCE_SERVICE_ENV:
		break;
	}
	return look_up_service(maker, ref, ret, err);
}

/* --- the whole --- */

static int add_expanded(struct maker *maker, const struct service_config *service,
                        const struct env_entry *entry, struct strv *out)
{
	const struct interpolation how = {.lookup = look_up, .data = maker};
	const struct scope *scope = intern(maker, service, entry);
	const struct config_place place = {NULL, entry->file, entry->pos};
	cleanup(strbuf_release) struct strbuf value = STRBUF_INIT;
	cleanup(error_release) struct error why = ERROR_INIT;
	size_t findings = maker->diags->items.len, at, len;

	if (interpolate(&how, scope, entry->value, &value, &at, &len, &why) == 0) {
		strv_env_set(out, entry->name, value.buf);
		return 0;
	}
	/* What an env file is to blame for has been reported there. */
	if (maker->diags->items.len == findings)
		diag_at_place(diag_add(maker->diags, "C033", "services.%s: %s: %s", service->name,
		                       entry->name, why.text),
		              &place, NULL);
	return -1;
}

static void add_all(struct strv *out, const struct strv *from)
{
	for (size_t i = 0; from && i < from->len; i++) {
		const char *equals = strchr(from->items[i], '=');
		cleanup_free char *name =
			equals ? xstrndup(from->items[i], (size_t)(equals - from->items[i])) : NULL;

		if (name)
			strv_env_set(out, name, equals + 1);
	}
}

static int make(struct maker *maker, const struct service_config *service, bool with_shell,
                struct strv *out)
{
	const struct strv *files = env_of_files(maker, service, maker->err);
	bool is_ok = true;

	if (!files)
		return -1;
	if (with_shell)
		add_all(out, maker->source->shell);
	add_all(out, files);
	array_foreach(entry, &maker->project->env.list)
		if (!entry_of(&service->env, entry->name))
			is_ok = add_expanded(maker, service, entry, out) == 0 && is_ok;
	array_foreach(entry, &service->env.list)
		is_ok = add_expanded(maker, service, entry, out) == 0 && is_ok;
	add_all(out, injected(maker, service));
	return is_ok ? 0 : diag_to_error(maker->diags, maker->err);
}

int environment_make(const struct project_config *project, const struct service_config *service,
                     const struct environment_source *source, bool with_shell, struct strv *out,
                     struct diagnostics *diags, struct error *err)
{
	cleanup(maker_release) struct maker maker = {
		.project = project, .source = source, .diags = diags, .err = err};
	cleanup(strv_release) struct strv env = STRV_INIT;

	if (make(&maker, service, with_shell, &env) < 0)
		return -1;
	add_all(out, &env);
	return 0;
}
