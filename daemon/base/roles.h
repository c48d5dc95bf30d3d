/*
 * roles.h: what a child does, by role.  main.c calls one of these after
 * `sluiced --child ROLE`; each talks on CHILD_CHANNEL_FD by msg.h and returns
 * the exit status.  A process has only one role.  The log is open and the title
 * is set to the role; SIGHUP, SIGINT and SIGPIPE are ignored.
 */

#ifndef SLUICE_ROLES_H
#define SLUICE_ROLES_H

int reader_main(void);	 /* reads the configuration, with the master's rights */
int probe_main(void);	 /* loads the plugins of a bundle, and exits */
int worker_main(void);	 /* serves */
int status_main(void);	 /* serves the status page and the metrics */
int describe_main(void); /* prints what one plugin says of itself */

#endif
