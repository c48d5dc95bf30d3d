/* api_connect.h: sl_connect() for the daemon itself. */

#ifndef SLUICE_API_CONNECT_H
#define SLUICE_API_CONNECT_H

struct sl_conn;
struct sl_connect_options;
struct sl_service;

/* As sl_connect(), for who keeps the connection himself: conn->extra is there. */
struct sl_conn *api_connect(struct sl_service *service,
    const struct sl_connect_options *options);

#endif
