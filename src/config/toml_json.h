/* toml_json - a TOML tree as JSON; dates become RFC 3339 strings, inf and nan too. */
#pragma once

#include "base/json.h"

struct toml_table;
struct toml_value;

json_t *toml_table_to_json(const struct toml_table *table);
json_t *toml_value_to_json(const struct toml_value *value);
