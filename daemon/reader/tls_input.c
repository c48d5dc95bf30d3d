/*
 * tls_input.c: text may be one long line, since strings of a configuration that
 * follow each other are joined without anything between them; PEM wants lines.
 */

#include "reader/tls_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "config/secret.h"
#include "config/settings.h"
#include "reader/config_file.h"
#include "reader/secret_files.h"

#define BEGIN "-----BEGIN"
#define DASHES "-----"
#define LINE_LEN 64 /* of base64, as OpenSSL writes it */

bool
tls_input_inline(const char *text)
{
	return strstr(text, BEGIN) != NULL || strchr(text, '\n') != NULL;
}

char *
tls_input_name(const char *config, const char *text)
{
	return tls_input_inline(text) ? strdup(TLS_INLINE)
				      : config_file_path(config, text);
}

static void
put(struct secret *lines, char c)
{
	if (lines->len < lines->room)
		lines->bytes[lines->len++] = c;
}

static void
put_newline(struct secret *lines)
{
	if (lines->len > 0 && lines->bytes[lines->len - 1] != '\n')
		put(lines, '\n');
}

/* Put "-----BEGIN X-----" on a line of its own.  Returns what follows it. */
static const char *
put_boundary(struct secret *lines, const char *text)
{
	const char *end = strstr(text + strlen(DASHES), DASHES);

	put_newline(lines);
	if (end == NULL)
		end = text;
	for (end += strlen(DASHES); text < end; text++)
		put(lines, *text);
	put(lines, '\n');
	end += strspn(end, " \t\r");
	return *end == '\n' ? end + 1 : end;
}

/* Add the newlines that PEM needs, and remove indentation. */
static void
put_lines(struct secret *lines, const char *text)
{
	unsigned int column = 0;

	while (*text != '\0') {
		if (strncmp(text, DASHES, strlen(DASHES)) == 0) {
			text = put_boundary(lines, text);
			column = 0;
			continue;
		}
		if (*text == '\n') {
			put(lines, '\n');
			column = 0;
		} else if (strchr(column > 0 ? "\r" : " \t\r", *text) == NULL) {
			if (column == LINE_LEN) {
				put(lines, '\n');
				column = 0;
			}
			put(lines, *text);
			column++;
		}
		text++;
	}
}

static struct secret *
read_inline(const char *text, struct error *err)
{
	/* At worst, a newline is added to each character. */
	struct secret *lines = secret_new(2 * strlen(text) + LINE_LEN);

	if (lines == NULL) {
		error_sys(err, "cannot be read");
		return NULL;
	}
	put_lines(lines, text);
	return lines;
}

struct secret *
tls_input_read(struct settings *settings, const char *name, const char *text,
    struct error *err)
{
	if (tls_input_inline(text))
		return read_inline(text, err);
	settings_add_source(settings, name, false);
	return secret_file_read(name, err);
}

bool
tls_input_is_open(const char *name, bool secret, struct error *doubt)
{
	struct stat st;

	if (stat(name, &st) == -1)
		return false; /* it was read, and is gone */
	if (st.st_mode & S_IWOTH)
		error_set(doubt,
		    "can be written to by everybody; take that permission "
		    "away: chmod o-w %s",
		    name);
	else if (secret && (st.st_mode & S_IROTH))
		error_set(doubt,
		    "can be read by everybody, and is secret; take that "
		    "permission away: chmod o-r %s",
		    name);
	else
		return false;
	return true;
}

void
tls_input_forget(struct key_string *entry)
{
	size_t len = strlen(entry->text);

	if (!tls_input_inline(entry->text))
		return;
	/* A text that is shorter is cut off, and cannot have been a key. */
	explicit_bzero(entry->text, len);
	snprintf(entry->text, len + 1, "%s", TLS_INLINE);
}
