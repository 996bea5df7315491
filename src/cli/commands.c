#include "cli/commands.h"

/* In the order of the help: daily work first. */
const struct command *const commands[] = {
	&cmd_up,     &cmd_status,  &cmd_logs,     &cmd_stop,     &cmd_restart, &cmd_wait,
	&cmd_why,    &cmd_run,     &cmd_exec,     &cmd_attach,   &cmd_try,     &cmd_init,
	&cmd_add,    &cmd_build,   &cmd_image,    &cmd_builder,  &cmd_volume,  &cmd_container,
	&cmd_config, &cmd_doctor,  &cmd_service,  &cmd_daemon,   &cmd_explain, &cmd_completion,
	&cmd_help,   &cmd_version, &cmd_complete, &cmd_overview, &cmd_surface, NULL,
};
