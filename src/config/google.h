// What a Vertex provider takes from its surroundings when the configuration leaves it out: credentials, project,
// location and address.
#pragma once
#include "config/config.h"

struct reader;
// Credentials, when there is no api_key: credentials_file ("metadata": the machine's own, asked for while running), the
// file in GOOGLE_APPLICATION_CREDENTIALS, what gcloud has left. Without a base_url it follows from the project
// (GOOGLE_CLOUD_PROJECT, else the one in the credentials) and the location (the setting `region`,
// GOOGLE_CLOUD_LOCATION, else global); an API key alone is express mode. Problems are noted.
void google_fill(struct reader *r, struct config_provider *provider);
