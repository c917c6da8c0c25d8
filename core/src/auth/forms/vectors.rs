//! Hashes that other programs made, each with the program that made it. Where the work can be
//! chosen it is little, so that the tests are fast.

/// What most of them are of. `doveadm`, `mkpasswd` and PHP were given it in UTF-8.
pub(super) const PASSWORD: &str = "grüne Äpfel 7";
/// More than bcrypt looks at, and more than two blocks of SHA-512.
pub(super) const LONG: &str = "Ein Passwort, das länger ist als die zweiundsiebzig Bytes, auf die \
                               bcrypt schaut, und auch als 128 Bytes, also zwei Blöcke von \
                               SHA-512.";

/// The form, the program, the password and the hash.
pub(super) const VECTORS: [(&str, &str, &str, &str); 66] = [
    (
        "sha512-crypt",
        "Python 3.11, `crypt`",
        PASSWORD,
        "$6$rounds=1000$5JIJrz3ptViVY2/V$izocWhUiNInVQcDY.DnTWYt9yLp/MFZ37qRaorr.Prt9w6t2\
         bXah9YzoafnO7/AEiILYMrp9KjBrqULsXbVrQ.",
    ),
    (
        "sha256-crypt",
        "Python 3.11, `crypt`",
        PASSWORD,
        "$5$rounds=1000$trIYytqBqH98niGP$xzCc5wyKKcbRTQLNqTxalre4X1n6Plpx9OZeMm6tAZ4",
    ),
    (
        "md5-crypt",
        "Python 3.11, `crypt`",
        PASSWORD,
        "$1$SEnXJH96$BH6wbsYxs/JEcTKJqQ8Qo.",
    ),
    (
        "sha512-crypt",
        "`openssl passwd -6`",
        PASSWORD,
        "$6$U7rwHDtC3B2gxccW$VqBzGRbcXYLp3sN3RPvH3PcwZActaQZ0ZxMTh6VvyyF84DoBke47IUw67AQv\
         URq6V/CoeLneYoetYt0lwqyjE.",
    ),
    (
        "sha256-crypt",
        "`openssl passwd -5`",
        PASSWORD,
        "$5$PCEB/n..4DwjBYpN$Taw.Jd.G52TO0H.CujJ4sPYCzPfQxj89hhgg3ensb.4",
    ),
    (
        "md5-crypt",
        "`openssl passwd -1`",
        PASSWORD,
        "$1$3L8iEw3F$2GzEWGxjCxQKcpnZk1EgB0",
    ),
    (
        "yescrypt",
        "`mkpasswd -m yescrypt -R 1`",
        PASSWORD,
        "$y$j75$STwer9wQb8/lt2QLt7OCh0$YZahPQpwF3/majTNsgriByaaEUEZySzphm3oUxzz3dA",
    ),
    (
        "phpass",
        "passlib 1.7.4, `phpass`",
        PASSWORD,
        "$P$6oezLfcvImjr6.gQSew1LEEF9eTkJW0",
    ),
    (
        "bcrypt",
        "bcrypt 4.3 of Python",
        PASSWORD,
        "$2b$04$NTRGXLslE4Ut.NEtb7uUq.aRWzPdhmYPlGLkYVFSdF71w0Ib8MUfS",
    ),
    (
        "django-bcrypt-sha256",
        "Django 5.2",
        PASSWORD,
        "bcrypt_sha256$$2b$04$4SjFPsiRmrq6b6Pu12hWtOaMOw.Yw.lpb5RCjv36gShffavARjBti",
    ),
    (
        "wordpress",
        "PHP 8.2, as WordPress 6.8 does",
        PASSWORD,
        "$wp$2y$04$HM87Zuk6KbqDZkbkxFIYM.LW.wUKSaiRclSyrix4cBwPDjOx7N8tS",
    ),
    (
        "sha512-crypt",
        "Python 3.11, `crypt`",
        LONG,
        "$6$rounds=1000$JP1cXJQY5vP2tzJX$.5DbvIqIlYcnHoV3Ui1D33OdUJS/YZmyyv9AO6aErQocEbFd\
         EmCfddbXVnTSHoI8HZFdLmpiILSZkB5sruQF3.",
    ),
    (
        "sha256-crypt",
        "Python 3.11, `crypt`",
        LONG,
        "$5$rounds=1000$T6gysOBKWT5aIlPj$4nIwU3zJH99SVChpYCGpw0AATdBEF.SOhmjYGUr9lcC",
    ),
    (
        "md5-crypt",
        "Python 3.11, `crypt`",
        LONG,
        "$1$Vx6woFE3$mlHRApPLiwwT.MpQNUT5/1",
    ),
    (
        "sha512-crypt",
        "`openssl passwd -6`",
        LONG,
        "$6$oFsDRfimgn.oWlg2$T5Y6uynK8X4fzddKt4VuonMQv7Vm1g8Tx1wU3wze6bFdFVVR/L2kYI8b97sc\
         U0JXLhghAqCD.gUZmexwHYIrU1",
    ),
    (
        "sha256-crypt",
        "`openssl passwd -5`",
        LONG,
        "$5$LalIqaLpiaUwFoDN$m8LuCQdo5k1q4g87l0II27ar0h2qtRzrasSpaa9d2m/",
    ),
    (
        "md5-crypt",
        "`openssl passwd -1`",
        LONG,
        "$1$E..Kjm/U$i3cH9tVp2c4oKlEKepXfP0",
    ),
    (
        "yescrypt",
        "`mkpasswd -m yescrypt -R 1`",
        LONG,
        "$y$j75$yACFxki7ZhBXD62WnG11h0$q8xHK8apIfVpP6MwlBxumhCyr0xM3kQgk5BV1Dc588C",
    ),
    (
        "phpass",
        "passlib 1.7.4, `phpass`",
        LONG,
        "$P$6xZNxI64BA90I3b3FQ6rgzDYgudF/61",
    ),
    (
        "bcrypt",
        "bcrypt 4.3 of Python",
        LONG,
        "$2b$04$/IgumGYVBMyN4p6KDhHI4OkeWQflvKwUj5UhAkfWvSSgiRlLz07Be",
    ),
    (
        "django-bcrypt-sha256",
        "Django 5.2",
        LONG,
        "bcrypt_sha256$$2b$04$PodPdLKDwn/.tAigIAqjYOEocGepJ3r/ltxy4ixIf4g3PUvRa96G.",
    ),
    (
        "wordpress",
        "PHP 8.2, as WordPress 6.8 does",
        LONG,
        "$wp$2y$04$t2cYEmZTYxay.WA9aKYU4eE1Qpw8xPYDmSjxQ565baCPkFJ4mHjVK",
    ),
    (
        "sha512-crypt",
        "passlib 1.7.4",
        PASSWORD,
        "$6$rounds=1001$J2t.qBTETDstUr1W$W64MeCe/XwZ2HHC0kvl30h4AFNHFGfRhk/qdeHbSkTGhS.0X\
         8COSF8mXHsH0Q7cVEBhMjq5HxRHxLZ68ehyTi.",
    ),
    (
        "yescrypt",
        "`mkpasswd -m yescrypt`",
        PASSWORD,
        "$y$j9T$vgQZeHUs83aKOyaYpJE9V1$K2zPRbQWdM7n9M9n5OKCSHFT0zfc2g0PpNrgTkWMQV0",
    ),
    (
        "yescrypt",
        "`mkpasswd -m yescrypt -R 4`",
        PASSWORD,
        "$y$j8T$btuZfS5vCCHM4L7rzEMn70$3kj02OPRySJpBw7UTCQvPMeBJ7wXB0jbqeUNAk2vQI8",
    ),
    (
        "scrypt-crypt",
        "`mkpasswd -m scrypt -R 6`",
        PASSWORD,
        "$7$BU..../....r.BMLt2ouTpS1p0pqVT6Y0$dJjrldAOsj.8qmexmiqYEjpTxrSgsl0e66s4POPw6OA",
    ),
    (
        "md5-crypt",
        "`mkpasswd -m md5`",
        PASSWORD,
        "$1$jEziC6UW$YFTDGW90DqfatpshmD1wX/",
    ),
    (
        "sha512-crypt",
        "`mkpasswd -m sha-512`",
        PASSWORD,
        "$6$tXpKi2Wy5O2ykzbH$z2wf8dmF4UVSWXI6u6/2cYiuX9mvwKA9xyofVbPWJH.lz8Ljjk1Hpuh1a2YM\
         RS4x7DFxSrK8Bb6fJxbXbZW/L/",
    ),
    (
        "bcrypt",
        "`mkpasswd -m bcrypt -R 5`",
        PASSWORD,
        "$2b$05$KJ3hk4JJgE4g23cJJ1OSgOKo8xnz1HFOOe0Yw21icSpx.3qEXAW1y",
    ),
    (
        "bcrypt",
        "`mkpasswd -m bcrypt-a -R 5`",
        PASSWORD,
        "$2a$05$L2WrBM1nrsskM94JBoTHl.7jGm/vmNm0z4U7S.fhYHb0NUMi5s5KS",
    ),
    (
        "bcrypt",
        "PHP 8.2, `password_hash`",
        PASSWORD,
        "$2y$04$LRyw2lZ7NUpLqVavmg9jTeQksStSQu9igqwj7rqHLMouC6J3yxKSq",
    ),
    (
        "argon2",
        "PHP 8.2, `password_hash`",
        PASSWORD,
        "$argon2id$v=19$m=64,t=2,p=1$RE9XMjdnN05uT0VEUHpmbw$aHKbAmR31DT+mBWBGnc5jF/uIkQ/s\
         t5ha9dPvexF2OM",
    ),
    (
        "argon2",
        "PHP 8.2, `password_hash`",
        PASSWORD,
        "$argon2i$v=19$m=64,t=2,p=1$SXo2Wm9FbGZBcENIWGNkWA$zd9MUBWxCZOy843AlsswNuREZYCuQF\
         XNlHGzlFjzhyg",
    ),
    (
        "argon2",
        "argon2-cffi 25.1",
        PASSWORD,
        "$argon2id$v=19$m=64,t=1,p=4$qWMT+RPTLgNlz0mVSJ+k3g$UqrEKMqfHdiiC4zkZu+IIR1wJH/mK\
         +SbpQFsVTHGGSA",
    ),
    (
        "argon2",
        "argon2-cffi 25.1",
        PASSWORD,
        "$argon2d$v=19$m=64,t=1,p=1$5yVbKnyrerSTmkZCwxcB5g$ECic5ApZPmk+3ZDZ8yQwDwLvCdQ1oH\
         sMUHKTqPMDGs4",
    ),
    (
        "ssha",
        "`doveadm pw -s SSHA`, 2.3.19",
        PASSWORD,
        "{SSHA}B7OImpnWL9POJwmgdy7lhgfbwyF0uG/p",
    ),
    (
        "ssha",
        "`doveadm pw -s SSHA.hex`, 2.3.19",
        PASSWORD,
        "{SSHA.HEX}bc8f8aa7f14fb3ebcc1caf9e74a003780f9b1d20f7fbc3fb",
    ),
    (
        "ssha",
        "`doveadm pw -s SSHA.b64`, 2.3.19",
        PASSWORD,
        "{SSHA.B64}kSjn2wtqzfpCFfCLreZKIWKGmGk9allk",
    ),
    (
        "ssha256",
        "`doveadm pw -s SSHA256`, 2.3.19",
        PASSWORD,
        "{SSHA256}PFzWLWfkq2QIwolZuRBvR6seDwp7uT4AAVaWh8uVyr1c30UU",
    ),
    (
        "ssha256",
        "`doveadm pw -s SSHA256.hex`, 2.3.19",
        PASSWORD,
        "{SSHA256.HEX}36e2f1be74daca842e9d67994d9210f70403dd854e909570a8680a3bb3b028509f2\
         76df1",
    ),
    (
        "ssha512",
        "`doveadm pw -s SSHA512`, 2.3.19",
        PASSWORD,
        "{SSHA512}JbPSkfIGNpHPf3Wa5gO6IfVKw5Yh5TF7qmggrCBU0vUR6AndkgR0DfoWOHOWAp1+tTUY6YM\
         2QnZ15GDNNXeCvtQkjko=",
    ),
    (
        "ssha512",
        "`doveadm pw -s SSHA512.hex`, 2.3.19",
        PASSWORD,
        "{SSHA512.HEX}1e481c72abfe9f457c0a4de9534833d26cd134f7a481396e74917e77273ad9d014f\
         35f86c156a977bc7cf873d5df39fb229b8e82788396e78d5c6a2d8c36c41dba8730b3",
    ),
    (
        "bcrypt",
        "`doveadm pw -s BLF-CRYPT -r 4`, 2.3.19",
        PASSWORD,
        "{BLF-CRYPT}$2y$04$xp6xC1oKgMtiwGsokAFbIOOy7t19bWmhnkv6OfX9z7puIpzJhRXsy",
    ),
    (
        "bcrypt",
        "`doveadm pw -s CRYPT -r 4`, 2.3.19",
        PASSWORD,
        "{CRYPT}$2y$04$iS3UbhJhhYx9c8YX7XrUw.ktC4.f9DvK35rqqpOFRO8xQfDHefLpi",
    ),
    (
        "sha512-crypt",
        "`doveadm pw -s SHA512-CRYPT -r 1000`, 2.3.19",
        PASSWORD,
        "{SHA512-CRYPT}$6$rounds=1000$P/x5b8..FrdkGyWa$MMOwS6N8vXgBiPbPRm.qOy79pFdwMI7LiX\
         bnZKKHjfWa7shqes5kp7rIl4gaitfCnYdblaVVu1zFVkAiEn2EB.",
    ),
    (
        "sha256-crypt",
        "`doveadm pw -s SHA256-CRYPT -r 1000`, 2.3.19",
        PASSWORD,
        "{SHA256-CRYPT}$5$rounds=1000$BOPFe/uPAmLDLUGs$9cI7493GwPcYNZIZQmVCxR/FAckepbL.gv\
         D1xTCEcB6",
    ),
    (
        "sha512-crypt",
        "`doveadm pw -s SHA512-CRYPT.b64`, 2.3.19",
        PASSWORD,
        "{SHA512-CRYPT.B64}JDYkTjBEVmJrdHdHREJHTi5FVSR5VG56SnNQTjZ0VTFxSDlGWHA5NklQUHFtcT\
         ZyVGpSaEQ1YWRqRTAzNE5WZmY5UEFIMWl3RjdpajBoQnVaOGtTbGtEUTJnQmZmeUkvcS8ySGxDSmFCLg\
         ==",
    ),
    (
        "sha256-crypt",
        "`doveadm pw -s SHA256-CRYPT.hex`, 2.3.19",
        PASSWORD,
        "{SHA256-CRYPT.HEX}2435242e6d4975523075742f6a45496c646564244e43586b763566762e686d\
         4b5a6c624f564e38614c324b4754616a582e57512e58514279444a704e6c4742",
    ),
    (
        "md5-crypt",
        "`doveadm pw -s MD5-CRYPT`, 2.3.19",
        PASSWORD,
        "{MD5-CRYPT}$1$QTIuI/p4$rMkGQdUMrKGEyOXeMs/KD1",
    ),
    (
        "dovecot-pbkdf2",
        "`doveadm pw -s PBKDF2 -r 100`, 2.3.19",
        PASSWORD,
        "{PBKDF2}$1$YfmLVYFOpv6XD61O$100$0891c0db64062f86c504035602dd86515388dd7e",
    ),
    (
        "argon2",
        "`doveadm pw -s ARGON2ID`, 2.3.19",
        PASSWORD,
        "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$o/RX13MQcTYFT6I2yrX8aA$tqijpCc33gD5OwGR\
         9OPjbG1S7U0Xvp45xUAFZa7fAqk",
    ),
    (
        "argon2",
        "`doveadm pw -s ARGON2I`, 2.3.19",
        PASSWORD,
        "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$cinFc1/BcEmD9dXFKIPShA$WpK72yaDd6cAaVvo3h\
         70P506+DM0eHQxJzbM6Giiogk",
    ),
    (
        "django-pbkdf2",
        "Django 5.2",
        PASSWORD,
        "pbkdf2_sha256$100$U8gDZ0oM5gq8h5AGtzHxs9$gekCz9cIrmM46M5+lXHWij57R8UxRqqjFl+TBbv\
         siXM=",
    ),
    (
        "django-pbkdf2",
        "Django 5.2",
        PASSWORD,
        "pbkdf2_sha1$100$kXbrwvGod90hoGnbhYCB8v$vYZdk8rIRYWH3SrpyVOulKECl1g=",
    ),
    (
        "django-bcrypt",
        "Django 5.2",
        PASSWORD,
        "bcrypt$$2b$04$PaCh0MMnclsv92BDSZ7KxOVymSmCk1X9H8QR5u5YR5RT1vbMZ4Tcu",
    ),
    (
        "django-argon2",
        "Django 5.2",
        PASSWORD,
        "argon2$argon2id$v=19$m=64,t=1,p=8$aTJyTk85VWlidzZMY3ZLNkdrb25oTg$8euinf/pBiEmhQ3\
         GrdSWIuJYNVSjE+B24L9c0YLJxYM",
    ),
    (
        "django-scrypt",
        "Django 5.2",
        PASSWORD,
        "scrypt$16$0SRMBZzVtMD7XKcQTicWbY$8$5$U/7fFvLlb/XtsfsgfOKSzaZs76dJhMAlXaw4HE+1xoZ\
         +fXkuazOcV/tZ8w47yTu3VShhbWD6GTtug+yFmarnFw==",
    ),
    (
        "phpass",
        "passlib 1.7.4, `phpass`",
        PASSWORD,
        "$H$5a5w9tHYSsH93J5kqBfAD/WRgNef7q.",
    ),
    (
        "werkzeug-pbkdf2",
        "Werkzeug 3.1",
        PASSWORD,
        "pbkdf2:sha256:100$sNoOnVv5K2vOGzal$a274329944e89976f8a75a7e5fffe82457b2b54cac458\
         d635de43e79d97727c0",
    ),
    (
        "werkzeug-pbkdf2",
        "Werkzeug 3.1",
        PASSWORD,
        "pbkdf2:sha512:100$2utQsoIUxp1VQZYb$c2992dc3ef039c95f6e58255ccca8680e31f82c41a216\
         6cb089a6194f85c4e38eed05302e559e0a6882165addb43f4f84ae71a128619b098657e858cdb3cb\
         a0e",
    ),
    (
        "werkzeug-pbkdf2",
        "Werkzeug 3.1",
        PASSWORD,
        "pbkdf2:sha1:100$dnuZIWYytK8F6rRT$c773844b42ad21e269196a7836a6578900fc6f61",
    ),
    (
        "werkzeug-scrypt",
        "Werkzeug 3.1",
        PASSWORD,
        "scrypt:1024:8:1$aR6FZEtwyxHYnG54$d4e0416d8731d8cd761f01d9b2ed5a112db1296029d6678\
         a4dff5cf9c46568275b5be59d4ad25186cbe71e24045e8ee3ca4d30a782745abae6159adb824819e\
         5",
    ),
    (
        "pbkdf2",
        "passlib 1.7.4",
        PASSWORD,
        "$pbkdf2-sha256$100$MGbs3dvbW4vRmlPK.T9HCA$qgU1qSeIlednXtX/t7NvXvaN3ATcA5QxWXuO9x\
         MN7mc",
    ),
    (
        "pbkdf2",
        "passlib 1.7.4",
        PASSWORD,
        "$pbkdf2-sha512$100$FML4fy.lVIoRQqjVWitFaA$0gj4idok29m1CjnZrCUYcW266RzfWhxVAthdvj\
         ethVgx6uctumz0p4gJHpetRiRZymChsS66TX7kPh3DdKRxaw",
    ),
    (
        "pbkdf2",
        "passlib 1.7.4",
        PASSWORD,
        "$pbkdf2$100$mFOq1ZqztlYKQShlTOldaw$GjqzMoIrpG9mDzo7FUqBCeCQTg8",
    ),
    (
        "scrypt",
        "passlib 1.7.4",
        PASSWORD,
        "$scrypt$ln=4,r=8,p=1$uvf+P0fovfd+751TqhUihA$aRiX13qroK8IePenBGgQUUoUHHgiPP4Sce6X\
         0RZGSp4",
    ),
];

/// Hashes by the programs' own defaults, of `PASSWORD`: their work is what imports ask for.
pub(super) const DEFAULTS: [(&str, &str); 10] = [
    (
        "Werkzeug 3.1",
        "scrypt:32768:8:1$zqAwB8RD9Hqm4gUl$d29cb6afc544e15d9b2197e7203845de0a752c2c62206a\
         d04cf0466e25674ce6119b08121edf14455ccca71699810413b0d3a8504a04646700b79e27b3faaa\
         90",
    ),
    (
        "Django 5.2",
        "pbkdf2_sha256$1000000$K6ioIJlPXkUCz3ZyOHY2Aj$VeUTj+uM+jq1rir3klWzA9D6kNCZdgSxDda\
         0S89kZfw=",
    ),
    (
        "Django 5.2",
        "scrypt$16384$uqzzNIaVQQTkTurPrpiTgC$8$5$PxBHRWLzdZpaKPBaMFwjF92yUxT9CIeg/2aMYQHQ\
         L7WHc5xe/4dpA/4fiSoTW9dHQMBzJqbhdUMumY5gg+Bzbg==",
    ),
    (
        "Django 5.2",
        "argon2$argon2id$v=19$m=102400,t=2,p=8$ajI5TERNNHNGbEtKRlk2cjRqR09JNw$HJvrGzAUC1C\
         +ybyYtGNm+EpzQaxL1LHQ/XEeDYe+FlU",
    ),
    (
        "Django 5.2",
        "bcrypt_sha256$$2b$12$crvL6VmCXZrgqqPxtIa3AOAm/dwNtpxPZU9RKx6JiZ7R.UV0HGHFW",
    ),
    (
        "passlib 1.7.4",
        "$6$rounds=656000$mcBPq8BSBfsJf01i$QOFT3w2E4hp0Z6wWhfAK.dLTI47qLZuT.r4qu4gXNXGJCR\
         ye/BuUVlOyv.4PJEqOGmvdK5LntkMop5a3qlQzj.",
    ),
    (
        "passlib 1.7.4",
        "$5$rounds=535000$RYknv8gZy1gy6SiB$3q4BLpc/9QJXCnox9oIm5TY8MCpBjBXnkQ3f6YmaRPC",
    ),
    (
        "passlib 1.7.4",
        "$pbkdf2-sha256$29000$/d9bS0np3TvHWMu5VyoFwA$i7X/ekccR4XpJH5FUVA4AP4hjYVh4PCzmYji\
         KY.4CK0",
    ),
    (
        "passlib 1.7.4",
        "$scrypt$ln=16,r=8,p=1$FOLcmxNCqNUaYyzFGMPYOw$rFE4sEUIuy0I3/Gy5v43nOsFEEI3mfHpBBz\
         UYd6Tmbg",
    ),
    ("passlib 1.7.4", "$P$HXNQA94IJXkS8bWTB1OaN89Y8lp4L.0"),
];
