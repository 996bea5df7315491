/* version - which locald this is; apart from everything else, so that tests can link another. */
#pragma once

extern const char locald_version[];
