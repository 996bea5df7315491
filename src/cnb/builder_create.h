/*
 * builder_create - makes a Cloud Native Buildpacks builder image from a
 * builder.toml: a base image of the store, buildpack folders, the native lifecycle.
 *
 * The same input gives the same digests.  Nothing is named in the store before
 * all of it is there, so a failure leaves the builder of that name as it was.
 * Errors in the file carry file:line:column.  Does not download: buildpacks are
 * folders beside the file.
 *
 * Blocks (a job does this).  Format: buildpacks.io "builder.toml", labels in the
 * Platform specification.
 */
#pragma once

#include <stddef.h>

struct cnb_events;
struct error;

struct builder_request {
	const char *store;     /* the image store */
	const char *config;    /* builder.toml */
	const char *name;      /* the name of the builder in the store */
	const char *lifecycle; /* the locald-lifecycle program */
	const char *launcher;  /* the locald-launcher program */
};

struct builder_result {
	char *digest; /* of the manifest */
	size_t buildpacks;
};

void builder_result_release(struct builder_result *result);

int builder_create(const struct builder_request *request, const struct cnb_events *events,
                   struct builder_result *ret, struct error *err);
