#include "config/toml_parse.h"

#include "base/error.h"
#include "base/str.h"
#include "base/strbuf.h"

#include <errno.h>
#include <locale.h>
#include <math.h>

static bool is_digit_of(int base, char c)
{
	int value = c >= '0' && c <= '9'   ? c - '0'
	            : c >= 'a' && c <= 'f' ? c - 'a' + 10
	            : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                                   : 99;

	return value < base;
}

/* Digits with single underscores between them; returns how long they are, 0 when wrong. */
static size_t scan_digits(const char *s, size_t len, int base)
{
	size_t i = 0;

	while (i < len && (is_digit_of(base, s[i]) || (s[i] == '_' && i > 0 && s[i - 1] != '_' &&
	                                               i + 1 < len && is_digit_of(base, s[i + 1]))))
		i++;
	return i;
}

/* Without the underscores; the result is the caller's. */
static char *without_underscores(const char *s, size_t len)
{
	char *out = xmalloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		if (s[i] != '_')
			out[n++] = s[i];
	out[n] = '\0';
	return out;
}

static int out_of_range(struct error *err, const char *token, size_t len)
{
	return error_set(err, ERR_CONFIG, "integer %.*s does not fit into 64 bits", (int)len,
	                 token);
}

static int read_radix(struct toml_parser *p, const char *token, size_t len, int base,
                      struct toml_value *ret)
{
	cleanup_free char *digits = NULL;
	unsigned long long value;

	if (len == 2 || scan_digits(token + 2, len - 2, base) != len - 2)
		return 0;
	digits = without_underscores(token + 2, len - 2);
	errno = 0;
	value = strtoull(digits, NULL, base);
	if (errno || value > INT64_MAX)
		return out_of_range(p->err, token, len);
	ret->type = TOML_INTEGER;
	ret->integer = (int64_t)value;
	return 1;
}

static int read_decimal(struct toml_parser *p, const char *token, size_t len,
                        struct toml_value *ret)
{
	cleanup_free char *digits = without_underscores(token, len);
	long long value;

	errno = 0;
	value = strtoll(digits, NULL, 10);
	if (errno)
		return out_of_range(p->err, token, len);
	ret->type = TOML_INTEGER;
	ret->integer = value;
	return 1;
}

/* strtod() in the C locale, whatever the program's is. */
static double number_of(const char *digits)
{
	locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	double value = strtod_l(digits, NULL, c_locale);

	freelocale(c_locale);
	return value;
}

/* Is s[0..len) ".digits", "e[+-]digits" or both? */
static bool is_float_tail(const char *s, size_t len)
{
	size_t at = 0, digits;

	if (at < len && s[at] == '.') {
		digits = scan_digits(s + 1, len - 1, 10);
		if (digits == 0)
			return false;
		at = 1 + digits;
	}
	if (at < len && (s[at] == 'e' || s[at] == 'E')) {
		at++;
		if (at < len && (s[at] == '+' || s[at] == '-'))
			at++;
		digits = scan_digits(s + at, len - at, 10);
		if (digits == 0)
			return false;
		at += digits;
	}
	return len > 0 && at == len;
}

static bool is_word(const char *token, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(token, word, len) == 0;
}

static int read_float(const char *token, size_t len, struct toml_value *ret)
{
	cleanup_free char *digits = without_underscores(token, len);

	ret->type = TOML_FLOAT;
	ret->number = number_of(digits);
	return 1;
}

int toml_read_number(struct toml_parser *p, const char *token, size_t len, struct toml_value *ret)
{
	size_t sign = len > 0 && (token[0] == '+' || token[0] == '-');
	const char *body = token + sign;
	size_t body_len = len - sign, digits;

	if (is_word(body, body_len, "inf") || is_word(body, body_len, "nan")) {
		double value = body[0] == 'i' ? (double)INFINITY : (double)NAN;

		ret->type = TOML_FLOAT;
		ret->number = token[0] == '-' ? -value : value;
		return 1;
	}
	if (!sign && len > 1 && token[0] == '0') {
		int base = token[1] == 'x' ? 16 : token[1] == 'o' ? 8 : token[1] == 'b' ? 2 : 0;

		if (base)
			return read_radix(p, token, len, base, ret);
	}
	digits = scan_digits(body, body_len, 10);
	if (digits == 0)
		return 0;
	if (digits > 1 && body[0] == '0')
		return error_set(p->err, ERR_CONFIG, "%.*s: a number cannot begin with 0", (int)len,
		                 token);
	if (digits == body_len)
		return read_decimal(p, token, len, ret);
	if (is_float_tail(body + digits, body_len - digits))
		return read_float(token, len, ret);
	return 0;
}
