/*
 * registry_auth - who we are to a registry: stored credentials, and the challenge
 * that a registry answers with.
 *
 * Credentials come from the files of podman and docker: $REGISTRY_AUTH_FILE,
 * $XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json,
 * $DOCKER_CONFIG/config.json, ~/.docker/config.json; the first that has the registry wins.
 * Credential helpers are not run.  Nothing here logs or keeps a secret longer than asked.
 */
#pragma once

#include "base/attrs.h"

struct error;

struct credentials {
	char *user, *password;
};

void credentials_release(struct credentials *creds);

/* 0 when there are none: `ret` is then empty. */
int credentials_find(const char *auth_file, const char *registry, const char *repository,
                     struct credentials *ret, struct error *err);

struct auth_challenge {
	char *scheme; /* "bearer" or "basic", lower case */
	char *realm, *service, *scope;
};

void auth_challenge_release(struct auth_challenge *challenge);

/* A WWW-Authenticate value.  RFC 9110, 11.6.1. */
int auth_challenge_parse(const char *header, struct auth_challenge *ret, struct error *err);
