//! Delivers one alert by e-mail or Slack, with a receipt.
