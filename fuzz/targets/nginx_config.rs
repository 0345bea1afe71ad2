//! nginx's configuration, as a plain file and as `nginx -T` prints it, and everything that is found in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stek::core::duration::Period;
use stek::core::nginx_config::{self, File};
use stek::core::nginx_lint::{self, Wanted};
use stek::core::nginx_sockets::Configuration;

fuzz_target!(|data: &[u8]| {
    let plain = vec![File { path: "/etc/nginx/nginx.conf", text: data }];
    for files in [Some(plain), nginx_config::dumped_files(data)].into_iter().flatten() {
        let paths: Vec<&str> = files.iter().map(|file| file.path).collect();
        let configuration = Configuration::read(&files);
        let wanted = Wanted { directory: "/run/stek", period: Period::DEFAULT, slots: 3 };
        for finding in nginx_lint::findings(&configuration, &paths, wanted) {
            assert!(finding.place.file < paths.len());
        }
        let _ = nginx_lint::which(&configuration);
    }
});
