/* project_read - the steps of project_load(), one file each; nothing outside includes it. */
#pragma once

#include "config/project.h"

#define PROJECT_FILE      "locald.toml"
#define PROJECT_LOCAL     "locald.local.toml"
#define PROJECT_OUTER     ".locald.toml"
#define PROJECT_WORKSPACE "locald.workspace.toml"
#define PROJECT_PROCFILE  "Procfile"
#define PROJECT_PACKAGE   "package.json"

/* project_find.c */
/* May a file that was found by walking up from `start` be obeyed? */
bool project_is_trusted(const char *path, const char *start);
/* "dev" or "start": the script of package.json that runs the project; NULL without one. */
const char *project_package_script(const char *text, size_t len, struct error *err);

/* project_read.c */
/* A process of a Procfile that serves takes $PORT; anything else is a worker. */
bool project_process_is_server(const char *name, const char *command);

/* project_check.c: everything that one key alone does not tell. */
void project_check(const struct project_config *project, struct diagnostics *diags);
