/*
 * dotenv - reads .env files as docker compose and dotenv do.
 *
 *   NAME=value   export NAME=value   NAME: value   # comment
 *   'literal, may have lines'        "\n \t \" \\ \$ escapes, ${VAR}, may have lines"
 *   unquoted ${VAR:-default} # a comment needs a space before it
 *
 * A variable sees those before it, then the lookup.  Later entries of the same
 * name win.  Reads no file but in dotenv_read().
 */
#pragma once

#include "base/array.h"
#include "config/toml.h"

struct diagnostics;
struct error;
struct strv;

#define DOTENV_MAX_BYTES   (1u << 20)
#define DOTENV_MAX_ENTRIES 4096u

/* The value of a variable from outside of the file, borrowed; NULL when unset. */
typedef const char *dotenv_lookup_fn(const char *name, void *data);

/*
 * Sets "NAME=value" in env for each entry.  Returns -1 with err, its text
 * without position, and *ret_pos.  env then has the entries before the error.
 */
int dotenv_parse(const char *text, size_t len, dotenv_lookup_fn *lookup, void *data,
                 struct strv *env, struct toml_pos *ret_pos, struct error *err);

/* Reads a file; what is wrong in it goes to diags under `name` (its path as shown). */
int dotenv_read(const char *path, const char *name, dotenv_lookup_fn *lookup, void *data,
                struct strv *env, struct diagnostics *diags, struct error *err);
