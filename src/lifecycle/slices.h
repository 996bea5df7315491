/*
 * slices - divides the application's files among layers, as buildpacks ask for.
 *
 * A slice takes every file its patterns match and none before it took; a directory
 * brings what is in it.  What no slice takes is the rest.
 */
#pragma once

#include "base/json.h"
#include "base/str.h"

struct error;

#define SLICE_REST (-1)

struct slices {
	const char *app;
	const json_t *slices; /* [{paths: [pattern]}], borrowed */
};

/* The index of the slice that an absolute name below `app` belongs to, or SLICE_REST. */
int slice_of(const struct slices *slices, const char *name);
