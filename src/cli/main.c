#include <stdio.h>
#include <string.h>

#include "base/version.h"
#include "cli/cli.h"

static const struct command {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *help;
} commands[] = {
    {"serve", cmd_serve, "run the gateway (SIGTERM, SIGINT: drain and stop; SIGHUP: reload the configuration)"},
    {"check", cmd_check, "validate a configuration: every error with its line"},
    {"keys", cmd_keys, "create, list, disable, enable and delete API keys"},
    {"presets", cmd_presets, "list, show and delete presets"},
    {"usage", cmd_usage, "what was asked, and what it cost"},
    {"models", cmd_models, "the models a configuration offers"},
    {"explain", cmd_explain, "where a request would go, and why"},
    {"providers", cmd_providers, "the providers it has, and those it could have"},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void usage(FILE *to) {
  fprintf(to, "signalbox %s: one API, every model\n\nusage: signalbox COMMAND [OPTION ...]\n\n", SIGNALBOX_VERSION);
  for (int i = 0; i < COMMANDS; i++) fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
  fprintf(to, "\n`signalbox COMMAND --help` tells more. Exit status: 0 fine, 1 failed, 2 wrong usage.\n");
}

int main(int argc, char **argv) {
  if (argc < 2) {
    usage(stderr);
    return 2;
  }
  const char *word = argv[1];
  if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help")) {
    usage(stdout);
    return 0;
  }
  if (!strcmp(word, "--version") || !strcmp(word, "version")) {
    printf("signalbox %s\n", SIGNALBOX_VERSION);
    return 0;
  }
  for (int i = 0; i < COMMANDS; i++)
    if (!strcmp(word, commands[i].name)) return commands[i].run(argc - 1, argv + 1);
  fprintf(stderr, "signalbox: there is no command \"%s\"; `signalbox --help` lists them\n", word);
  return 2;
}
