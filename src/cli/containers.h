/*
 * containers - the commands for containers that go on by themselves (`run -d`).
 *
 * Each is a project of one service with its name, so most are a project's command in
 * another folder: api/paths.h, paths_detached_dir().
 */
#pragma once

#include "base/json.h"
#include "cli/command.h"

struct strv;

extern const struct command container_attach, container_exec, container_list, container_logs,
	container_restart, container_rm, container_start, container_stop;

/* Those that are not removed, in order; no daemon is needed. */
void containers_names(const struct cli *cli, struct strv *out);
/* Of `run -d`: body is the request. */
int containers_start(struct cli *cli, const json_t *body, struct error *err);
