#pragma once
#define SIGNALBOX_VERSION "0.1.0"
