/*
 * image_defaults - what an image says about running it that is not a program's
 * argument: its HEALTHCHECK and STOPSIGNAL, in our own terms.
 *
 *   {"stop_signal": 3, "healthcheck": {"argv": [arg], "interval_ms", "timeout_ms",
 *    "start_period_ms", "retries"}}
 *
 * A key is there only where the image has something to say; a HEALTHCHECK of NONE
 * is none.  What cannot be understood is left out: an image of others must not be
 * kept from running by it.  Format: OCI image-spec "config", Docker's Healthcheck.
 */
#pragma once

#include "base/json.h"
#include "oci/image.h"

json_t *image_defaults_new(const struct image *image) must_check;
/* "SIGQUIT", "QUIT", "3", "SIGRTMIN+3"; 0 when it is none of them. */
int image_signal_number(const char *text);
