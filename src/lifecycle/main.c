#include "base/attrs.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/str.h"
#include "lifecycle/exit_code.h"
#include "lifecycle/launcher.h"
#include "lifecycle/phases.h"
#include "lifecycle/platform.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static int phase_create(const struct platform *platform, struct error *err)
{
	static int (*const phases[])(const struct platform *, struct error *) = {
		phase_analyze, phase_detect, phase_restore, phase_build, phase_export};

	for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
		if (phases[i] == phase_restore && platform->skips_restore)
			continue;
		if (phases[i](platform, err) < 0)
			return -1;
	}
	return 0;
}

static const struct command {
	const char *name;
	enum phase phase;
	int (*run)(const struct platform *platform, struct error *err);
	int general_exit;
} commands[] = {
	{"analyzer", PHASE_ANALYZE, phase_analyze, EXIT_ANALYZE},
	{"detector", PHASE_DETECT, phase_detect, EXIT_DETECT},
	{"restorer", PHASE_RESTORE, phase_restore, EXIT_RESTORE},
	{"builder", PHASE_BUILD, phase_build, EXIT_BUILD},
	{"exporter", PHASE_EXPORT, phase_export, EXIT_EXPORT},
	{"creator", PHASE_CREATE, phase_create, 1},
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (str_eq(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int usage(void)
{
	fputs("usage: locald-lifecycle PHASE [flags] [image]\n"
	      "       analyzer, detector, restorer, builder, exporter, creator, launcher\n",
	      stderr);
	return EXIT_BAD_ARGS;
}

/* Buildpacks are not ours: as root they could change the build environment for each other. */
static int refuse_root(enum phase phase, struct error *err)
{
	if (!(phase & (PHASE_DETECT | PHASE_BUILD)) || geteuid() != 0)
		return 0;
	error_set(err, EPERM, "refusing to run buildpacks as root");
	return error_hint(err, "run this phase as the builder's user (CNB_USER_ID)");
}

static int run(const struct command *command, const char *const *args)
{
	cleanup(error_release) struct error err = ERROR_INIT;
	cleanup(platform_release) struct platform platform = {0};

	/* Modes of what we make are part of the image. */
	umask(022);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (platform_parse(&platform, command->phase, args, &err) == 0 &&
	    refuse_root(command->phase, &err) == 0 && command->run(&platform, &err) == 0)
		return 0;
	fflush(stdout);
	fprintf(stderr, "ERROR: %s: %s\n", command->name, err.text);
	if (err.hint)
		fprintf(stderr, "hint: %s\n", err.hint);
	return exit_code_of(&err, command->general_exit);
}

int main(int argc, char **argv)
{
	const char *const *args = (const char *const *)argv;
	const char *name = argc > 0 ? path_base(args[0]) : "";
	const struct command *command = find_command(name);

	if (argc < 1)
		return usage();
	/* Any other name is that of a process type. */
	if (!command && !str_eq(name, "locald-lifecycle") && !str_eq(name, "lifecycle"))
		return launcher_main(args);
	if (command)
		return run(command, args + 1);
	if (argc > 1 && str_eq(args[1], "launcher"))
		return launcher_main(args + 1);
	command = argc > 1 ? find_command(args[1]) : NULL;
	return command ? run(command, args + 2) : usage();
}
