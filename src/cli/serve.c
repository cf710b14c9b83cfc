// `signalbox serve`: start, banner, signals.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/routes.h"
#include "base/log.h"
#include "base/rand.h"
#include "base/time.h"
#include "base/version.h"
#include "cli/cli.h"
#include "config/config.h"
#include "gateway/gateway.h"
#include "store/store.h"

static const char help[] =
    "usage: signalbox serve [-c FILE]\n\n"
    "Runs the gateway until SIGTERM or SIGINT (requests under way are finished first). SIGHUP reads the configuration\n"
    "again; when it has errors the old one stays.\n\n"
    "  -c FILE   configuration; else $SIGNALBOX_CONFIG, ./signalbox.yaml, /etc/signalbox/signalbox.yaml;\n"
    "            with none of them: providers by the keys in the environment, and the demo provider\n";

// Every stream takes two descriptors.
static void raise_file_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Bodies of a few hundred KB come and go: without this each would be a mmap and its page faults.
static void tune_malloc(void) {
  mallopt(M_MMAP_THRESHOLD, 1024 * 1024);
  mallopt(M_TRIM_THRESHOLD, 4 * 1024 * 1024);
  mallopt(M_ARENA_MAX, 8);
}

// The management key of the configuration, or DATA_DIR/management_key, made at first start. *fresh: just made.
static struct str management_key(struct arena *arena, const struct config *config, bool *fresh, struct str *why) {
  *fresh = false;
  if (config->management_key.len) return config->management_key;
  const char *path = arena_printf(arena, "%.*s/management_key", STR_ARGS(config->data_dir)).ptr;
  char text[256];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' ')) n--;
    if (n >= 16) return arena_str(arena, str_from(text, (size_t)n));
    *why = arena_printf(arena, "%s holds no key; remove it, and a new one is made at the next start", path);
    return (struct str){0};
  }
  struct str key = arena_printf(arena, "sk-sb-mgmt-%s", store_key_text(arena).ptr + sizeof "sk-sb-v1-" - 1);
  fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, key.ptr, key.len) != (ssize_t)key.len || write(fd, "\n", 1) != 1) {
    *why = arena_printf(arena, "cannot write %s: %s", path, strerror(errno));
    if (fd >= 0) close(fd);
    return (struct str){0};
  }
  close(fd);
  *fresh = true;
  return key;
}

// A first key, so that a newcomer can call at once: only when there is none at all.
static struct str first_key(struct arena *arena, struct store *store, const struct config *config) {
  struct key_row *rows;
  size_t count = 0;
  struct str why;
  if (config->key_count || !store_key_list(store, arena, &rows, &count, &why)) return (struct str){0};
  for (size_t i = 0; i < count; i++)
    if (!rows[i].declared) return (struct str){0};
  uint8_t pepper[32];
  char id[24] = "key_";
  struct rand random;
  rand_seed(&random);
  rand_alnum(&random, id + 4, 16);
  struct str text = store_key_text(arena);
  uint64_t now = time_unix_us() / 1000000;
  struct key_row row = {
      .id = str_from(id, 20),
      .name = STR("default"),
      .prefix = arena_printf(arena, "%.*s\xe2\x80\xa6", 13, text.ptr),
      .created = now,
      .updated = now,
  };
  if (!store_pepper(arena, config->data_dir, pepper, &why)) return (struct str){0};
  store_key_hash(pepper, text, row.hash);
  return store_key_insert(store, &row, &why) ? text : (struct str){0};
}

static void banner(struct gateway *g, const struct snapshot *s, struct str key, struct str management) {
  struct str at = gateway_address(g);
  bool unix_socket = str_starts(at, STR("unix:"));
  const char *scheme = s->config.tls_cert.len ? "https" : "http";
  printf("Signalbox %s is running.\n\n", SIGNALBOX_VERSION);
  if (unix_socket)
    printf("  Socket      %.*s\n", STR_ARGS(at));
  else
    printf("  API base    %s://%.*s/api/v1   (OpenAI SDKs: %s://%.*s/v1)\n", scheme, STR_ARGS(at), scheme,
           STR_ARGS(at));
  printf("  Dashboard   not in this version\n");
  printf("  Providers  ");
  for (size_t i = 0; i < s->catalogue.provider_count; i++) printf(" %.*s", STR_ARGS(s->catalogue.providers[i].id));
  printf("\n  Models      %zu\n", s->catalogue.model_count);
  if (management.len)
    printf("  Management  %.*s\n              (shown once; kept in %.*s/management_key)\n", STR_ARGS(management),
           STR_ARGS(s->config.data_dir));
  if (key.len) {
    printf("  API key     %.*s\n              (shown once; `signalbox keys create` makes more)\n", STR_ARGS(key));
  }
  if (key.len && s->catalogue.model_count && !unix_socket) {
    const struct model *m = catalogue_find(&s->catalogue, STR("demo/echo"));
    if (!m) m = &s->catalogue.models[0];
    printf(
        "\nTry it:\n\n  curl %s://%.*s/api/v1/chat/completions \\\n    -H 'Authorization: Bearer %.*s' \\\n"
        "    -H 'Content-Type: application/json' \\\n"
        "    -d '{\"model\":\"%.*s\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}'\n",
        scheme, STR_ARGS(at), STR_ARGS(key), STR_ARGS(m->id));
  }
  printf("\n");
  fflush(stdout);
}

static void reload(struct gateway *g, struct str path) {
  struct arena arena = {0};
  struct config_problems problems = {0};
  struct snapshot *s = snapshot_load(path, &arena, &problems);
  if (s) {
    if (gateway_reload(g, s)) log_info("configuration reloaded");
  } else {
    config_problems_print(&problems, path);
    log_error("reload refused: %zu problems; the configuration in force stays", problems.count);
  }
  arena_free(&arena);
}

static int run(struct arena *arena, struct str path) {
  struct config_problems problems = {0};
  struct snapshot *s = snapshot_load(path, arena, &problems);
  if (!s) {
    config_problems_print(&problems, path);
    return 1;
  }
  const struct config *config = &s->config;
  struct str why = {0};
  bool fresh;
  struct store *store = store_open(arena, config->data_dir, true, &why);
  struct str management = {0};
  if (store) management = management_key(arena, config, &fresh, &why);
  if (!store || !management.len) {
    fprintf(stderr, "signalbox: %.*s\n", STR_ARGS(why));
    store_close(store);
    snapshot_drop(s);
    return 1;
  }
  struct str key = first_key(arena, store, config);

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);  // before any thread: they inherit it
  signal(SIGPIPE, SIG_IGN);

  struct gateway_options options = {s, store, management, admin_routes, admin_route_count};
  struct gateway *g = gateway_start(arena, &options, &why);
  if (!g) {
    fprintf(stderr, "signalbox: %.*s\n", STR_ARGS(why));
    store_close(store);
    return 1;
  }
  banner(g, s, key, fresh ? management : (struct str){0});
  for (;;) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (signal != SIGHUP) break;
    reload(g, path);
  }
  log_info("stopping: requests under way are finished first");
  gateway_stop(g);
  store_close(store);
  return 0;
}

int cmd_serve(int argc, char **argv) {
  const char *file = NULL;
  for (int i = 1; i < argc; i++) {
    if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
      fputs(help, stdout);
      return 0;
    }
    if ((!strcmp(argv[i], "-c") || !strcmp(argv[i], "--config")) && i + 1 < argc) {
      file = argv[++i];
    } else {
      fprintf(stderr, "signalbox serve: \"%s\" is not understood\n%s", argv[i], help);
      return 2;
    }
  }
  raise_file_limit();
  tune_malloc();
  struct arena arena = {0};
  struct str path = config_find(&arena, file);
  int status = run(&arena, path);
  arena_free(&arena);
  return status;
}
