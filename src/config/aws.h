// What a Bedrock provider takes from its surroundings when the configuration leaves it out: region, address, and the
// usual AWS credentials.
#pragma once
#include "config/config.h"

struct reader;
// In this order, each source only when nothing before it gave credentials: the provider's own settings,
// AWS_BEARER_TOKEN_BEDROCK, AWS_ACCESS_KEY_ID and its companions, the role of a web identity (AWS_ROLE_ARN and
// AWS_WEB_IDENTITY_TOKEN_FILE), the shared files (AWS_PROFILE, else "default"), the container's endpoint
// (AWS_CONTAINER_CREDENTIALS_*); role and endpoint are asked while running. A profile that wants more than its
// keys (a role, SSO, a process) is a problem. Region: the setting, the host of base_url, AWS_REGION,
// AWS_DEFAULT_REGION, the profile. base_url follows from the region. Problems are noted.
void aws_fill(struct reader *r, struct config_provider *provider);
