#include "lifecycle/launch_command.h"

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "lifecycle/api_version.h"
#include "lifecycle/exit_code.h"

void launch_command_release(struct launch_command *command)
{
	free(command->type);
	free(command->workdir);
	strv_release(&command->words);
}

static const json_t *find_process(const json_t *metadata, const char *type)
{
	size_t i;
	json_t *process;

	json_array_foreach(json_object_get(metadata, "processes"), i, process) {
		if (str_eq(json_get_str(process, "type", ""), type))
			return process;
	}
	return NULL;
}

static const char *api_of(const json_t *metadata, const char *id)
{
	size_t i;
	json_t *buildpack;

	json_array_foreach(json_object_get(metadata, "buildpacks"), i, buildpack) {
		if (str_eq(json_get_str(buildpack, "id", ""), id))
			return json_get_str(buildpack, "api", "");
	}
	return "";
}

static void add_words(struct strv *words, const struct strv *more, size_t from)
{
	for (size_t i = from; i < more->len; i++)
		strv_add(words, more->items[i]);
}

/* metadata.toml of another lifecycle may hold the command as one string. */
static int read_command(const json_t *process, struct strv *ret, struct error *err)
{
	const json_t *command = json_object_get(process, "command");

	if (json_is_string(command)) {
		strv_add(ret, json_string_value(command));
		return 0;
	}
	return json_to_strv(command, "command", ret, err);
}

/* Does the user's first argument replace the defaults, or come after them (API < 0.9)? */
static int replaces_args(const json_t *metadata, const json_t *process, bool *ret,
                         struct error *err)
{
	const char *id = json_get_str(process, "buildpack-id", "");
	int minor = buildpack_api_minor(api_of(metadata, id), id, err);

	if (minor < 0)
		return -1;
	*ret = minor >= 9;
	return 0;
}

static int use_process(const json_t *metadata, const json_t *process, const struct strv *user,
                       struct launch_command *ret, struct error *err)
{
	cleanup(strv_release) struct strv defaults = STRV_INIT;
	const json_t *args = json_object_get(process, "args");
	bool replaces;

	if (read_command(process, &ret->words, err) < 0 ||
	    (args && json_to_strv(args, "args", &defaults, err) < 0) ||
	    replaces_args(metadata, process, &replaces, err) < 0)
		return error_wrap(err, "process %s", json_get_str(process, "type", ""));
	if (!ret->words.len)
		return exit_error(err, EXIT_LAUNCH, "process %s has no command",
		                  json_get_str(process, "type", ""));
	ret->type = xstrdup(json_get_str(process, "type", ""));
	ret->workdir = xstrdup_null(json_get_str(process, "working-dir", NULL));
	ret->is_direct = json_get_bool(process, "direct", false);
	if (!user->len || !replaces)
		add_words(&ret->words, &defaults, 0);
	add_words(&ret->words, user, 0);
	return 0;
}

int launch_command_choose(const json_t *metadata, const char *argv0, const char *const *args,
                          struct launch_command *ret, struct error *err)
{
	const char *type = path_base(argv0);
	const json_t *process = str_eq(type, "launcher") ? NULL : find_process(metadata, type);
	cleanup(strv_release) struct strv user = STRV_INIT;

	for (; *args; args++)
		strv_add(&user, *args);
	if (process)
		return use_process(metadata, process, &user, ret, err);
	ret->is_direct = user.len && str_eq(user.items[0], "--");
	add_words(&ret->words, &user, ret->is_direct);
	if (ret->words.len)
		return 0;
	exit_error(err, EXIT_LAUNCH,
	           "no command was given, and \"%s\" is not a process of this image", type);
	return error_hint(err, "start /cnb/process/TYPE, or give a command");
}

void launch_shell_args(const struct launch_command *command, const char *argv0,
                       const struct strv *profiles, struct strv *ret)
{
	cleanup(strbuf_release) struct strbuf script = STRBUF_INIT;

	for (size_t i = 0; i < profiles->len; i++)
		strbuf_addf(&script, "source \"%s\"\n", profiles->items[i]);
	if (command->workdir)
		strbuf_addf(&script, "cd \"%s\"\n", command->workdir);
	/* A lone word is a script; several are words in which the shell expands variables. */
	if (command->words.len == 1) {
		strbuf_adds(&script, "exec bash -c \"$@\"");
	} else {
		strbuf_adds(&script, "exec bash -c '\"$(eval echo \\\"$0\\\")\"");
		for (size_t i = 1; i < command->words.len; i++)
			strbuf_addf(&script, " \"$(eval echo \\\"${%zu}\\\")\"", i);
		strbuf_adds(&script, "' \"${@:1}\"");
	}
	strv_add(ret, "bash");
	strv_add(ret, "-c");
	strv_add(ret, script.buf);
	strv_add(ret, argv0);
	add_words(ret, &command->words, 0);
}
