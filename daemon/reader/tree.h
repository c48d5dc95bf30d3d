/*
 * tree.h: a configuration file as a tree of plain nodes.  Only tree.c uses
 * libconfig, and nothing else knows how files are parsed.
 */

#ifndef SLUICE_TREE_H
#define SLUICE_TREE_H

#include <stdbool.h>
#include <stdint.h>

struct problems;

enum node_type {
	NODE_GROUP, /* children with names */
	NODE_LIST,  /* children without */
	NODE_INT,
	NODE_FLOAT,
	NODE_BOOL,
	NODE_STRING,
};

struct node {
	char *name; /* or NULL */
	enum node_type type;
	uint32_t line;
	bool refused;	       /* INT: already reported, the value is wrong */
	int64_t integer;       /* INT, BOOL */
	double real;	       /* FLOAT */
	char *string;	       /* STRING */
	bool joined;	       /* STRING: of several, without commas */
	struct node *children; /* GROUP, LIST */
	uint32_t count;
};

/*
 * Read and parse a file; each mistake becomes a problem, which names the file
 * as `file` does.  Returns the root group, owned by the caller, or NULL.
 */
struct node *tree_read(const char *file, struct problems *problems);
void tree_free(struct node *root); /* NULL is fine */

/* "an integer", "a string", ... */
const char *node_type_name(const struct node *node);

#endif
