/*
 * reference - names of images: in a registry, or only in our own store.
 *
 * "alpine", "alpine:3.20", "localhost:5000/team/app@sha256:…" are references to a
 * registry (docker.io and library/ are the defaults); their canonical text is their
 * name in the store.  A local name ("demo-base", "shop/web:built") is the name of
 * an image that was imported or built here.  Its first part never looks like a
 * registry, so the two kinds of text never meet.
 *
 * Grammar: distribution's reference, and the OCI distribution-spec "Pulling".
 */
#pragma once

#include "base/attrs.h"

#include <stdbool.h>

struct error;

#define REFERENCE_MAX 512

struct reference {
	char *registry;   /* "docker.io", "localhost:5000" */
	char *repository; /* "library/alpine" */
	char *tag;        /* NULL only when there is a digest */
	char *digest;     /* "sha256:…" or NULL */
};

#define REFERENCE_INIT                                                                             \
	{                                                                                          \
		0                                                                                  \
	}

void reference_release(struct reference *ref);

int reference_parse(const char *text, struct reference *ret, struct error *err);
/* The canonical text: "docker.io/library/alpine:latest". */
char *reference_text(const struct reference *ref) must_check;
/* What a manifest is asked for by: the digest when there is one, else the tag. */
const char *reference_manifest(const struct reference *ref);
/* The host[:port] that serves the API; differs from `registry` for docker.io. */
const char *reference_api_host(const struct reference *ref);
/* Plain http is spoken with this machine only. */
bool reference_is_loopback(const struct reference *ref);

int reference_check_local_name(const char *name, struct error *err);
