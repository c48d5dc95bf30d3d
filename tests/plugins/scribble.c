/*
 * scribble.c: tries to write to all memory that it shares with other processes:
 * what it has mapped, and what it can open in /proc, here and in the master.
 * It answers how often it could write, and how many mappings it has seen.
 */

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sluice.h>

#define PAGE 4096
#define CALLBACK_DATA 8 /* enum callback */

static unsigned int writable, seen;

/* Make a row claim that the worker has been in the same callback for ever. */
static void
fill(char *memory, size_t size)
{
	const uint32_t lie[4] = { CALLBACK_DATA, CALLBACK_DATA, 0, 0 };

	for (size_t at = 0; at < size; at += PAGE)
		memcpy(memory + at, lie, sizeof(lie));
}

static void
try_mapping(const char *line)
{
	unsigned long from, to;
	char mode[5];

	if (strstr(line, "memfd:sluice-") == NULL ||
	    sscanf(line, "%lx-%lx %4s", &from, &to, mode) != 3 ||
	    mode[3] != 's')
		return;
	seen++;
	if (mode[1] != 'w' &&
	    mprotect((void *)from, to - from, PROT_READ | PROT_WRITE) == -1)
		return;
	writable++;
	fill((char *)from, to - from);
}

static void
try_file(const char *path)
{
	char target[256] = "";
	struct stat st;
	char *memory;
	int fd;

	if (readlink(path, target, sizeof(target) - 1) == -1 ||
	    strstr(target, "memfd:sluice-") == NULL ||
	    (fd = open(path, O_RDWR | O_CLOEXEC)) == -1)
		return;
	memory = MAP_FAILED;
	if (fstat(fd, &st) == 0 && st.st_size > 0)
		memory = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
	if (memory != MAP_FAILED) {
		writable++;
		fill(memory, (size_t)st.st_size);
	}
	if (pwrite(fd, "xxxx", 4, 0) == 4)
		writable++;
	if (ftruncate(fd, 0) == 0)
		writable++;
	close(fd);
}

static void
try_files(const char *directory)
{
	const struct dirent *entry;
	char path[300];
	DIR *dir = opendir(directory);

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		try_file(path);
	}
	if (dir != NULL)
		closedir(dir);
}

static void
scribble(struct sl_conn *c)
{
	char text[64], line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	int n;

	writable = seen = 0;
	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		try_mapping(line);
	if (maps != NULL)
		fclose(maps);
	try_files("/proc/self/fd");
	snprintf(text, sizeof(text), "/proc/%d/fd", (int)getppid());
	try_files(text);
	n = snprintf(text, sizeof(text), "%u of %u\n", writable, seen);
	sl_send(c, text, (size_t)n);
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	char text[32];
	int n;

	if (memchr(buf, 's', len) != NULL)
		scribble(c);
	if (memchr(buf, 'h', len) != NULL)
		for (;;)
			pause();
	if (memchr(buf, 'p', len) != NULL) {
		n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
		sl_send(c, text, (size_t)n);
	}
	return (ssize_t)len;
}

SL_PLUGIN(.name = "scribble", .version = "1", .flags = SL_MANY_WORKERS,
    .server = SL_HANDLERS(.data = on_data));
