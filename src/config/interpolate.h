/*
 * interpolate - ${…} in configuration values.
 *
 *   ${services.NAME.url|host|port}  ${services.NAME.env.VAR}
 *   ${project.name|domain}          ${env.NAME}   the shell where `up` was typed
 *   ${VAR}                          a variable of the service that is being read
 *   ${…:-text} if unset or empty    ${…-text} if unset
 *   ${…:?text} ${…?text} error      ${…:+text} ${…+text} text if set
 *   $$ is one $.  Any other $ stays as it is.
 *
 * The lookup gives a final text, or a template that is expanded in turn, in its
 * own scope; a reference that comes back to itself is an error that shows the
 * way.  Bounded in depth and size.
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>
#include <stddef.h>

struct error;
struct strbuf;

#define INTERPOLATE_MAX_BYTES (1u << 20)
#define INTERPOLATE_MAX_DEPTH 32
#define INTERPOLATE_MAX_STEPS 10000u /* references looked up for one value */

enum reference_kind {
	REFERENCE_VAR,
	REFERENCE_ENV,
	REFERENCE_PROJECT_NAME,
	REFERENCE_PROJECT_DOMAIN,
	REFERENCE_SERVICE_URL,
	REFERENCE_SERVICE_HOST,
	REFERENCE_SERVICE_PORT,
	REFERENCE_SERVICE_USER,
	REFERENCE_SERVICE_PASSWORD,
	REFERENCE_SERVICE_ENV,
};

struct reference {
	enum reference_kind kind;
	char *text;        /* "services.db.url", as written */
	char *service;     /* of the REFERENCE_SERVICE_ kinds, else NULL */
	char *name;        /* the variable of VAR, ENV and SERVICE_ENV, else NULL */
	const void *scope; /* the scope it is written in, borrowed */
};

struct reference_value {
	char *text;        /* owned by interpolate() once returned */
	bool is_template;  /* to be expanded in turn … */
	const void *scope; /* … in this scope, whatever the lookup makes of it; borrowed */
};

/* 1 with *ret filled, 0 when there is no such thing, -1 with err. */
typedef int reference_lookup_fn(const struct reference *ref, struct reference_value *ret,
                                void *data, struct error *err);

struct interpolation {
	reference_lookup_fn *lookup;
	void *data;
	bool bare;           /* $NAME is a reference too (.env files) */
	bool unset_is_empty; /* an unknown reference is empty, not an error */
};

/*
 * Appends the expansion of text, written in `scope` (may be NULL), to out.  On
 * failure *ret_at and *ret_len are the bytes of text at fault.
 */
int interpolate(const struct interpolation *how, const void *scope, const char *text,
                struct strbuf *out, size_t *ret_at, size_t *ret_len, struct error *err);

/* Calls fn for each reference in text, without expanding; fn returns -1 to stop. */
typedef int reference_fn(const struct reference *ref, size_t at, size_t len, void *data,
                         struct error *err);
int interpolate_each(const char *text, reference_fn *fn, void *data, size_t *ret_at,
                     size_t *ret_len, struct error *err);
