#include "cnb/build_key.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "cnb/build.h"
#include "cnb/source.h"

#define RECORD_MAX (4 * 1024 * 1024)

static json_t *digested_env(const struct strv *env)
{
	json_t *digests = json_object();

	for (size_t i = 0; i < env->len; i++) {
		const char *entry = env->items[i];
		cleanup_free char *name = xstrndup(entry, strcspn(entry, "="));
		char digest[SHA256_DIGEST_SIZE];

		sha256_digest_of(entry, strlen(entry), digest);
		json_set_str(digests, name, digest);
	}
	return digests;
}

json_t *build_key_new(const struct build_request *request, const char *builder, const char *run,
                      const struct source *source)
{
	json_t *key = json_object();

	json_set_int(key, "format", 1);
	json_set_str(key, "builder", builder);
	json_set_str(key, "run", run);
	json_set_str(key, "process", request->process ? request->process : "");
	json_object_set_new(key, "buildpacks", json_from_strv(&request->buildpacks));
	json_object_set_new(key, "exclude", json_from_strv(&request->exclude));
	json_object_set_new(key, "env", digested_env(&request->env));
	json_set_str(key, "source", source->digest);
	return key;
}

json_t *build_record_load(const char *path)
{
	cleanup(error_release) struct error unreadable = ERROR_INIT;
	json_t *record = json_parse_file(path, RECORD_MAX, &unreadable);

	if (record && json_is_object(json_object_get(record, "key")))
		return record;
	json_decref(record);
	return NULL;
}

int build_record_save(const char *path, const json_t *key, const char *image, struct error *err)
{
	cleanup_json json_t *record = json_object();
	cleanup_free char *text = NULL;

	json_object_set(record, "key", (json_t *)key);
	json_set_str(record, "image", image);
	text = json_text(record);
	return fs_write_atomic(path, text, strlen(text), 0600, err);
}

static char *env_reason(const json_t *before, const json_t *after)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)after, name, value) {
		const json_t *old = json_object_get(before, name);

		if (!old)
			return xasprintf("variable %s is new", name);
		if (!json_equal(old, value))
			return xasprintf("variable %s changed", name);
	}
	json_object_foreach((json_t *)before, name, value) {
		if (!json_object_get(after, name))
			return xasprintf("variable %s was removed", name);
	}
	return xstrdup("the variables changed");
}

char *build_key_reason(const json_t *before, const json_t *after, const struct source *old_source,
                       const struct source *source)
{
	static const struct {
		const char *member, *reason;
	} parts[] = {
		{"format", "locald changed"},
		{"builder", "the builder changed"},
		{"run", "the run image changed"},
		{"buildpacks", "the list of buildpacks changed"},
		{"process", "the process changed"},
		{"exclude", "the list of excluded files changed"},
		{"env", NULL},
	};

	if (!before)
		return xstrdup("first build");
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const json_t *old = json_object_get(before, parts[i].member);
		const json_t *new = json_object_get(after, parts[i].member);

		if (json_equal(old, new))
			continue;
		return parts[i].reason ? xstrdup(parts[i].reason) : env_reason(old, new);
	}
	if (!json_equal(json_object_get(before, "source"), json_object_get(after, "source")))
		return source_difference(old_source, source);
	return NULL;
}
