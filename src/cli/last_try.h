/* last_try - what `locald try` ran last, kept for `locald add last`. */
#pragma once

#include "base/str.h"

struct cli;
struct error;

struct last_try {
	struct strv argv;
	char *dir; /* where it was typed */
	int port;  /* that it listens on whatever PORT says; 0: it heeds PORT */
};

void last_try_release(struct last_try *last);

int last_try_save(const struct cli *cli, const struct last_try *last, struct error *err);
/* ERR_NOT_FOUND when nothing was tried. */
int last_try_load(const struct cli *cli, struct last_try *ret, struct error *err);
/* Puts it into the project's locald.toml; name NULL: web, where there is none. */
int last_try_add(struct cli *cli, const struct last_try *last, const char *name, struct error *err);
