/* server.c: listening, the list of connections, starting and stopping. */
#include <edgelm/log.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "http/internal.h"

enum {
	BACKLOG = 128,
	HEADER_MEMORY = 64 << 10, /* of a connection: request line, headers, and writing */
	STACK = 1 << 20,
};

static bool is_local(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, address, sizeof(in));
		return ntohl(in.sin_addr.s_addr) >> 24 == 127;
	}
	if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in;

		memcpy(&in, address, sizeof(in));
		return IN6_IS_ADDR_LOOPBACK(&in.sin6_addr);
	}
	return false;
}

/* A socket that listens at the address, or -1 with errno. */
static int listen_at(const struct addrinfo *address)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;
	int reason;

	if (fd < 0)
		return -1;
	if (!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	    !bind(fd, address->ai_addr, address->ai_addrlen) && !listen(fd, BACKLOG))
		return fd;
	reason = errno;
	close(fd);
	errno = reason;
	return -1;
}

static uint16_t bound_port(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	socklen_t size = sizeof(address);

	if (getsockname(fd, &address.any, &size))
		return 0;
	return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port :
							 address.v4.sin_port);
}

static elm_status open_socket(elm__http_server *server, elm_error *error)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
				  .ai_socktype = SOCK_STREAM };
	const char *host = server->options.host;
	struct addrinfo *found;
	char port[8];
	int failure;

	snprintf(port, sizeof(port), "%u", server->options.port);
	failure = getaddrinfo(host, port, &hints, &found);
	if (failure)
		return elm_error_set(error, ELM_ERR_ARGUMENT, "cannot listen at \"%s\": %s", host,
				     gai_strerror(failure));
	server->listening = listen_at(found);
	server->local = is_local(found->ai_addr);
	freeaddrinfo(found);
	if (server->listening < 0)
		return elm_error_set(error, ELM_ERR_SYSTEM, "cannot listen at %s port %s: %s%s",
				     host, port, strerror(errno),
				     errno == EADDRINUSE ? "; choose another port" : "");
	server->port = bound_port(server->listening);
	return ELM_OK;
}

static void on_connection(void *user, struct MHD_Connection *connection, void **state,
			  enum MHD_ConnectionNotificationCode code)
{
	elm__http_server *server = user;
	http_connection *entry = *state;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (!entry)
			return;
		pthread_mutex_lock(&server->lock);
		*entry->link = entry->next;
		if (entry->next)
			entry->next->link = entry->link;
		pthread_mutex_unlock(&server->lock);
		elm__free(entry);
		return;
	}
	/* Without memory for it, its requests are refused. */
	entry = elm__calloc(1, sizeof(*entry));
	*state = entry;
	if (!entry)
		return;
	entry->fd =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	entry->since_ns = elm__now_ns();
	pthread_mutex_lock(&server->lock);
	entry->next = server->connections;
	entry->link = &server->connections;
	if (entry->next)
		entry->next->link = &entry->next;
	server->connections = entry;
	pthread_mutex_unlock(&server->lock);
}

void elm__http_server_sweep(elm__http_server *server)
{
	uint64_t allowed = (uint64_t)server->options.request_seconds * 1000000000u;
	uint64_t now = elm__now_ns();

	pthread_mutex_lock(&server->lock);
	for (http_connection *c = server->connections; c; c = c->next)
		if (!c->busy && now > c->since_ns && now - c->since_ns > allowed)
			shutdown(c->fd, SHUT_RDWR);
	pthread_mutex_unlock(&server->lock);
}

static void log_line(void *user, const char *format, va_list args)
{
	elm_error line = { 0 };

	elm_error_setv(&line, ELM_ERR_SYSTEM, format, args);
	elm_log(ELM_LOG_DEBUG, "http: %s", line.text);
}

static elm_status start_daemon(elm__http_server *server, elm_error *error)
{
	const elm__http_options *options = &server->options;
	bool tls = options->certificate || options->certificate_key;
	unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
			 MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem secrets[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)options->certificate },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)options->certificate_key },
		{ MHD_OPTION_END, 0, NULL },
	};

	if (tls && MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
		return elm_error_set(error, ELM_ERR_UNSUPPORTED,
				     "libmicrohttpd was built without TLS here");
	if (tls)
		flags |= MHD_USE_TLS;
	else
		secrets[0].option = MHD_OPTION_END;
	server->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, elm__http_access, server, MHD_OPTION_EXTERNAL_LOGGER,
		log_line, NULL, MHD_OPTION_LISTEN_SOCKET, server->listening,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)options->connections,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)options->idle_seconds,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEADER_MEMORY,
		MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK, MHD_OPTION_NOTIFY_COMPLETED,
		elm__http_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
		MHD_OPTION_ARRAY, secrets, MHD_OPTION_END);
	if (!server->daemon)
		return elm_error_set(error, ELM_ERR_SYSTEM,
				     "the HTTP server did not start%s; --log-level debug says more",
				     tls ? ": check that certificate and key are PEM files that "
					   "belong together" :
					   "");
	return ELM_OK;
}

static void apply_defaults(elm__http_options *options)
{
	if (!options->host)
		options->host = "127.0.0.1";
	if (!options->connections)
		options->connections = 256;
	if (!options->body_limit)
		options->body_limit = 16 << 20;
	if (!options->idle_seconds)
		options->idle_seconds = 30;
	if (!options->request_seconds)
		options->request_seconds = 60;
}

elm_status elm__http_server_start(const elm__http_options *options, elm__http_server **out,
				  elm_error *error)
{
	elm__http_server *server = elm__calloc(1, sizeof(*server));
	elm_status status;

	*out = NULL;
	if (!server)
		return elm_error_set(error, ELM_ERR_NO_MEMORY, "out of memory");
	server->options = *options;
	server->listening = -1;
	apply_defaults(&server->options);
	pthread_mutex_init(&server->lock, NULL);
	status = open_socket(server, error);
	if (!status)
		status = start_daemon(server, error);
	if (status)
		elm__http_server_stop(server);
	else
		*out = server;
	return status;
}

uint16_t elm__http_server_port(const elm__http_server *server)
{
	return server->port;
}

bool elm__http_server_is_local(const elm__http_server *server)
{
	return server->local;
}

bool elm__http_server_busy(elm__http_server *server)
{
	bool busy = false;

	pthread_mutex_lock(&server->lock);
	for (http_connection *c = server->connections; c && !busy; c = c->next)
		busy = c->busy;
	pthread_mutex_unlock(&server->lock);
	return busy;
}

void elm__http_server_quiesce(elm__http_server *server)
{
	if (atomic_exchange(&server->closing, true))
		return;
	server->quiesced = MHD_quiesce_daemon(server->daemon) != MHD_INVALID_SOCKET;
	/* Clients that are not served any more shall hear so, and not wait in the backlog. */
	if (server->quiesced)
		shutdown(server->listening, SHUT_RDWR);
}

void elm__http_server_stop(elm__http_server *server)
{
	if (!server)
		return;
	atomic_store(&server->closing, true);
	if (server->daemon)
		MHD_stop_daemon(server->daemon);
	if (server->listening >= 0 && (!server->daemon || server->quiesced))
		close(server->listening);
	pthread_mutex_destroy(&server->lock);
	elm__free(server);
}
