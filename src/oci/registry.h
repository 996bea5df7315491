/*
 * registry - pulls images from an OCI registry into the store.
 *
 * HTTPS; plain http only with this machine.  Every byte is checked: manifests and
 * blobs against their digests and sizes, unpacked layers against their diff ids.
 * Up to four blobs come at once, and layers are unpacked (in child processes) while
 * others still come.  A broken transfer goes on where it stopped.  The name is set
 * last, so a failed pull leaves the store as it was.
 *
 * Blocks.  Protocol: OCI distribution-spec "Pull", distribution's token
 * authentication; platform: linux and this machine's architecture.
 */
#pragma once

#include "base/attrs.h"
#include "oci/reference.h"
#include "oci/unpack.h"

struct pull_events {
	/* Bytes so far, and of all blobs that must come. */
	void (*progress)(int64_t done, int64_t total, void *data);
	/* A step begins or ends: "resolve", "download sha256:…", "unpack sha256:…". */
	void (*step)(const char *text, void *data);
	void *data;
};

struct pull_request {
	struct store *store;
	const struct reference *reference;
	const char *ca_file;   /* NULL: the system's */
	const char *auth_file; /* NULL: where podman and docker keep it */
	struct unpack_limits limits;
	struct pull_events events;
};

struct pull_result {
	struct descriptor manifest;
	char *name;
	int64_t bytes;  /* downloaded */
	size_t layers;  /* of the image */
	size_t present; /* of them there before */
};

void pull_result_release(struct pull_result *result);

int registry_pull(const struct pull_request *request, struct pull_result *ret, struct error *err);
