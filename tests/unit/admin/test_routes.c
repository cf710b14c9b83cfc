// docs/api.md names every route of the table, and no other.
#include "admin/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
// cmocka wants the three above first
#include <cmocka.h>

static const char *method_name(enum http_method m) {
  static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  return names[m];
}

static char doc[65536];

static void read_doc(void) {
  char path[512];
  const char *slash = strrchr(__FILE__, '/');
  snprintf(path, sizeof path, "%.*s/../../../docs/api.md", (int)(slash - __FILE__), __FILE__);
  FILE *f = fopen(path, "r");
  assert_non_null(f);
  doc[fread(doc, 1, sizeof doc - 1, f)] = 0;
  fclose(f);
}

static void test_every_route_is_documented(void **state) {
  (void)state;
  read_doc();
  for (size_t i = 0; i < admin_route_count; i++) {
    char text[128];
    snprintf(text, sizeof text, "`%s %s`", method_name(admin_routes[i].method), admin_routes[i].path);
    if (!strstr(doc, text)) fail_msg("%s is not in docs/api.md", text);
  }
}

static void test_every_documented_route_is_served(void **state) {
  (void)state;
  read_doc();
  unsigned rows = 0;
  for (char *at = doc; (at = strstr(at, "\n| `")) != NULL; rows++) {
    at += 4;
    size_t len = strcspn(at, "`");
    bool found = false;
    for (size_t i = 0; i < admin_route_count && !found; i++) {
      char text[128];
      snprintf(text, sizeof text, "%s %s", method_name(admin_routes[i].method), admin_routes[i].path);
      found = strlen(text) == len && !strncmp(text, at, len);
    }
    if (!found) fail_msg("docs/api.md names %.*s, which is not served", (int)len, at);
  }
  assert_true(rows > 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_route_is_documented),
      cmocka_unit_test(test_every_documented_route_is_served),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
