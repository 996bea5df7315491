/*
 * api_error - a failure as the control API carries it:
 * {"code":"not_found","text":"…","hint":"…","diagnostics":[…]}.
 *
 * Both sides use it: the daemon writes it, the client reads it back.  `hint` and
 * `diagnostics` are left out when there is nothing to say.
 */
#pragma once

#include "base/json.h"

/* Does not take the diagnostics; NULL for none.  A new reference. */
json_t *api_error_to_json(const struct error *err, json_t *diagnostics);

/* Fills err from what the daemon sent; returns -1 as error_set() does. */
int api_error_from_json(const json_t *object, struct error *err);

/* The HTTP status that goes with an error code, such as 404 for ERR_NOT_FOUND. */
int api_error_status(int code);
