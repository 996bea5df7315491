/* version - the version of the program, as the build knows it. */
#pragma once

const char *locald_version(void);
