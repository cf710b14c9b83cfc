// The subcommands. Each parses its own arguments and returns the exit status: 0 fine, 1 failed, 2 wrong usage.
#pragma once

int cmd_serve(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_keys(int argc, char **argv);
int cmd_presets(int argc, char **argv);
int cmd_usage(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_models(int argc, char **argv);
int cmd_providers(int argc, char **argv);
