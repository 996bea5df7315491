#include "config/project.h"

#include "base/error.h"
#include "config/schema.h"

#define NAME_MAX_LEN 63 /* of a DNS label, RFC 1035 */

void project_free(struct project_config *project)
{
	if (!project)
		return;
	array_foreach(service, &project->services) {
		schema_release_service(*service);
		array_release(&(*service)->places.list);
		free((*service)->name);
		free((*service)->build_command);
		free(*service);
	}
	array_foreach(file, &project->files) {
		free((*file)->path);
		free((*file)->name);
		free((*file)->text);
		free(*file);
	}
	schema_release_project(project);
	array_release(&project->services);
	array_release(&project->files);
	array_release(&project->places.list);
	free(project->root);
	free(project);
}

void freep_project(struct project_config **project)
{
	project_free(*project);
}

struct service_config *project_service(const struct project_config *project, const char *name)
{
	array_foreach(service, &project->services)
		if (str_eq((*service)->name, name))
			return *service;
	return NULL;
}

const char *project_nearest_service(const struct project_config *project, const char *name)
{
	const char **names = xcalloc(project->services.len + 1, sizeof(*names));
	const char *near;

	for (size_t i = 0; i < project->services.len; i++)
		names[i] = project->services.items[i]->name;
	near = str_nearest(name, names, project->services.len);
	free(names);
	return near;
}

char *service_replica_name(const struct service_config *service, int n)
{
	return service->replicas > 1 ? xasprintf("%s-%d", service->name, n + 1)
	                             : xstrdup(service->name);
}

static const struct config_place *find_place(const struct config_places *places, const char *key)
{
	array_foreach(place, &places->list)
		if (str_eq(place->key, key))
			return place;
	return NULL;
}

const struct config_place *project_place_of(const struct project_config *project, const char *key)
{
	return find_place(&project->places, key);
}

const struct config_place *service_place_of(const struct service_config *service, const char *key)
{
	return find_place(&service->places, key);
}

void diag_at_place(struct diagnostic *diag, const struct config_place *place, const char *label)
{
	struct diag_source source;

	if (!place)
		return;
	source = (struct diag_source){place->file->name, place->file->text, place->file->len};
	diag_at(diag, &source, place->pos, label);
}

/* Depth first; the checks have made sure that it ends. */
static void visit(const struct project_config *project, size_t i, bool *seen, size_t *out,
                  size_t *count)
{
	if (seen[i])
		return;
	seen[i] = true;
	array_foreach(dep, &project->services.items[i]->depends_on.list)
		for (size_t j = 0; j < project->services.len; j++)
			if (str_eq(project->services.items[j]->name, dep->service))
				visit(project, j, seen, out, count);
	out[(*count)++] = i;
}

void project_start_order(const struct project_config *project, size_t *out)
{
	bool *seen = xcalloc(project->services.len + 1, sizeof(*seen));
	size_t count = 0;

	for (size_t i = 0; i < project->services.len; i++)
		visit(project, i, seen, out, &count);
	free(seen);
}

bool config_command_is_set(const struct config_command *command)
{
	return command->shell || command->argv.len > 0;
}

const char *service_type_name(enum service_type type)
{
	static const char *const names[] = {"exec", "worker",   "container",
	                                    "site", "postgres", "redis"};

	return names[type];
}

bool service_type_is_managed(enum service_type type)
{
	return type == SERVICE_SITE || service_type_is_database(type);
}

bool service_type_is_database(enum service_type type)
{
	return type == SERVICE_POSTGRES || type == SERVICE_REDIS;
}

const char *service_mode_name(enum service_mode mode)
{
	static const char *const names[] = {"host", "container"};

	return names[mode];
}

static bool is_label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

bool config_is_label(const char *text)
{
	size_t len = 0;

	while (is_label_char(text[len]))
		len++;
	return len > 0 && len <= NAME_MAX_LEN && !text[len] && text[0] != '-' &&
	       text[len - 1] != '-';
}

bool config_is_name(const char *name)
{
	size_t len = 0, dashes = 0;

	for (;
	     name[len] == '_' || is_label_char(name[len]) || (name[len] >= 'A' && name[len] <= 'Z');
	     len++)
		dashes += name[len] == '_' || name[len] == '-';
	return len > dashes && len <= NAME_MAX_LEN && !name[len] && name[0] != '-';
}

char *config_make_label(const char *text)
{
	char name[NAME_MAX_LEN + 1];
	size_t len = 0;

	for (; *text && len < NAME_MAX_LEN; text++) {
		char c = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;

		if (!is_label_char(c))
			c = '-';
		if (c != '-' || (len > 0 && name[len - 1] != '-'))
			name[len++] = c;
	}
	while (len > 0 && name[len - 1] == '-')
		len--;
	return len > 0 ? xstrndup(name, len) : NULL;
}
