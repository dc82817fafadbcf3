// Every setting of SpamAssassin 4.0 that is no rule, by who knows it and by the form of its value. A name under "own" has a handler in one
// of the *-lines.ts files, which wants to know only whether the plugin is loaded; all others are kept as they stand (Settings.others).
import type { SettingTable } from "./plugins.ts";

/** Of the core. */
export const CORE_SETTINGS: SettingTable[string] = {
  number: `report_wrap_width dns_block_time bayes_min_ham_num bayes_min_spam_num bayes_journal_max_size
    bayes_expiry_max_db_size bayes_file_mode required_score body_part_scan_size rawbody_part_scan_size`,
  bool: `always_trust_envelope_sender normalize_charset allow_user_rules skip_rbl_checks use_learner use_bayes
    use_bayes_rules bayes_auto_learn bayes_learn_during_report bayes_use_hapaxes bayes_auto_expire
    bayes_learn_to_journal fold_headers parse_dkim_uris bayes_sql_username_authorized
    user_scores_fallback_to_global ignore_always_matching_regexps`,
  string: `envelope_sender_header ok_locales bayes_sql_override_username report_charset report_contact report_hostname
    mbox_format_from_regex bayes_sql_dsn bayes_sql_username bayes_sql_password user_scores_dsn
    user_scores_sql_username user_scores_sql_password user_scores_sql_custom_query user_scores_ldap_username
    user_scores_ldap_password`,
  duration: "dns_test_interval bayes_token_ttl bayes_seen_ttl time_limit",
  addresses: `welcomelist_from welcomelist_allows_relays blocklist_from welcomelist_to more_spam_to all_spam_to blocklist_to
    welcomelist_auth def_welcomelist_auth bayes_ignore_from bayes_ignore_to`,
  words: "report_safe_copy_headers",
  raw: `dns_available dns_server dns_local_ports_permit dns_local_ports_avoid dns_query_restriction dns_block_rule
    dns_options lock_method bayes_path bayes_store_module geodb_module geodb_options geodb_search_path
    country_db_type country_db_path uri_country_db_path uri_country_db_isp_path rbl_timeout bayes_token_sources
    version_tag test`,
  bare: "dns_local_ports_none",
};

/** By plugin, without "Mail::SpamAssassin::Plugin::". */
export const SETTINGS_OF: SettingTable = {
  ASN: {
    raw: "asn_lookup asn_lookup_ipv6 asn_prefix",
    own: "clear_asn_lookups",
    bool: "asn_use_geodb asn_prefer_geodb asn_use_dns",
  },
  AWL: {
    bool: "use_auto_welcomelist auto_welcomelist_distinguish_signed",
    number: `auto_welcomelist_factor auto_welcomelist_ipv4_mask_len auto_welcomelist_ipv6_mask_len
      auto_welcomelist_file_mode`,
    string: `user_awl_sql_override_username auto_welcomelist_factory auto_welcomelist_db_modules user_awl_dsn
      user_awl_sql_username user_awl_sql_password user_awl_sql_table`,
    raw: "auto_welcomelist_path",
  },
  AskDNS: { own: "askdns" },
  AuthRes: { raw: "authres_networks authres_trusted_authserv authres_ignored_authserv" },
  AutoLearnThreshold: {
    number: "bayes_auto_learn_threshold_nonspam bayes_auto_learn_threshold_spam",
    bool: "bayes_auto_learn_on_error",
  },
  Bayes: { number: "bayes_max_token_length", raw: "bayes_stopword_languages" },
  DCC: {
    bool: "use_dcc use_dcc_rep",
    number: "dcc_body_max dcc_fuz1_max dcc_fuz2_max dcc_rep_percent dcc_learn_score",
    duration: "dcc_timeout",
    raw: "dcc_home dcc_dccifd_path dcc_path dcc_options dccifd_options",
  },
  DKIM: {
    own: "welcomelist_from_dkim def_welcomelist_from_dkim unwelcomelist_from_dkim",
    raw: "adsp_override",
    number: "dkim_minimum_key_bits",
    duration: "dkim_timeout",
  },
  DMARC: { bool: "dmarc_save_reports" },
  DNSEval: { string: "rbl_headers" },
  DecodeShortURLs: {
    raw: "url_shortener url_shortener_get",
    own: "clear_url_shortener",
    string: `url_shortener_cache_type url_shortener_cache_dsn url_shortener_cache_username url_shortener_cache_password
      url_shortener_user_agent`,
    number: `url_shortener_cache_ttl url_shortener_cache_autoclean url_shortener_timeout max_short_urls
      max_short_url_redirections`,
    bool: "url_shortener_loginfo",
  },
  ExtractText: { number: "extracttext_maxparts extracttext_timeout" },
  FreeMail: {
    number: `freemail_max_body_emails freemail_max_body_freemails freemail_skip_when_over_max freemail_skip_bulk_envfrom
      freemail_add_describe_email freemail_import_welcomelist_auth freemail_import_def_welcomelist_auth`,
    own: "freemail_domains freemail_welcomelist",
  },
  FromNameSpoof: {
    own: "fns_add_addrlist fns_remove_addrlist",
    raw: "fns_ignore_dkim fns_ignore_headers fns_check",
    number: "fns_extrachars",
  },
  HashBL: {
    raw: "hashbl_ignore hashbl_email_domain_alias hashbl_email_regex hashbl_email_welcomelist",
  },
  MIMEHeader: { own: "mimeheader" },
  OLEVBMacro: {
    number: "olemacro_num_mime olemacro_num_zip olemacro_zip_depth olemacro_max_file",
    bool: "olemacro_extended_scan olemacro_prefer_contentdisposition",
    raw: `olemacro_exts olemacro_macro_exts olemacro_skip_exts olemacro_skip_ctypes olemacro_zips
      olemacro_download_marker`,
  },
  PhishTag: { pair: "trigger_target", string: "trigger_config", number: "trigger_ratio" },
  Phishing: {
    string: "phishing_openphish_feed phishing_phishtank_feed phishing_phishstats_feed",
    bool: "phishing_uri_noparam",
    number: "phishing_phishstats_minscore",
  },
  Pyzor: {
    bool: "use_pyzor",
    number: `pyzor_count_min pyzor_max pyzor_welcomelist_min pyzor_welcomelist_factor pyzor_fork pyzor_perl`,
    duration: "pyzor_timeout",
    raw: "pyzor_options pyzor_path pyzor_server_file",
  },
  Razor2: { number: "use_razor2 razor_fork", duration: "razor_timeout", string: "razor_config" },
  ReplaceTags: {
    own: `replace_tag replace_pre replace_inter replace_post replace_rules replace_start replace_end`,
  },
  ResourceLimits: { number: "resource_limit_mem resource_limit_cpu" },
  SPF: {
    addresses: "welcomelist_from_spf def_welcomelist_from_spf",
    own: "unwelcomelist_from_spf",
    duration: "spf_timeout",
    bool: `ignore_received_spf_header use_newest_received_spf_header do_not_use_mail_spf do_not_use_mail_spf_query`,
  },
  Shortcircuit: {
    own: "shortcircuit",
    number: `shortcircuit_spam_score shortcircuit_ham_score shortcircuit_min_ham_score shortcircuit_max_spam_score`,
  },
  SpamCop: {
    raw: "spamcop_from_address spamcop_to_address spamcop_relayhost",
    number: "spamcop_max_report_size",
  },
  TextCat: {
    string: "ok_languages inactive_languages",
    number:
      "textcat_max_languages textcat_optimal_ngrams textcat_max_ngrams textcat_acceptable_score",
  },
  TxRep: {
    bool: "use_txrep txrep_track_messages auto_welcomelist_distinguish_signed txrep_spf",
    number: `txrep_factor txrep_dilution_factor txrep_expiry_days txrep_learn_penalty txrep_learn_bonus txrep_autolearn
      txrep_welcomelist_out txrep_ipv4_mask_len txrep_ipv6_mask_len txrep_weight_email txrep_weight_email_ip
      txrep_weight_domain txrep_weight_ip txrep_weight_helo txrep_report_details auto_welcomelist_file_mode`,
    string: `user_awl_sql_override_username txrep_factory auto_welcomelist_db_modules user_awl_dsn user_awl_sql_username
      user_awl_sql_password user_awl_sql_table`,
    raw: "txrep_user2global_ratio auto_welcomelist_path",
  },
  URIDNSBL: {
    bool: "skip_uribl_checks uridnsbl_skip_mailto",
    number: "uridnsbl_max_domains",
    own: `uridnsbl uridnssub urirhsbl urirhssub urinsrhsbl urinsrhssub urifullnsrhsbl urifullnsrhssub
      uridnsbl_skip_domain clear_uridnsbl_skip_domain`,
    raw: "uridnsbl_timeout",
  },
  URIDetail: { own: "uri_detail" },
  URILocalBL: { raw: "uri_block_cc uri_block_cont uri_block_isp uri_block_cidr uri_block_exclude" },
  VBounce: { addresses: "welcomelist_bounce_relays" },
  WelcomeListSubject: { own: "welcomelist_subject blocklist_subject" },
};
