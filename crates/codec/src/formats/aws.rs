//! What the logs of AWS have in common.

/// Returns the ARN of a role without the session that assumed it, which is another one for each
/// host or hour.
pub(super) fn without_session(arn: &str) -> &str {
    match arn.rsplit_once('/') {
        Some((role, _)) if arn.contains(":assumed-role/") && role.contains('/') => role,
        _ => arn,
    }
}

/// Returns the HTTP status that the documentation gives to an error of Bedrock or IAM; the logs
/// have only its name.
pub(super) fn status_of(error: &str) -> Option<u64> {
    Some(match error.strip_prefix("Client.").unwrap_or(error) {
        "ValidationException"
        | "ValidationError"
        | "ServiceQuotaExceededException"
        | "IncompleteSignature"
        | "MalformedInputException" => 400,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "OptInRequired"
        | "NotAuthorized" => 403,
        "ResourceNotFoundException" | "NoSuchEntityException" | "NoSuchEntity" => 404,
        "ModelTimeoutException" => 408,
        "ConflictException" | "LimitExceededException" | "EntityAlreadyExistsException" => 409,
        "ModelErrorException" | "ModelStreamErrorException" => 424,
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "ModelNotReadyException" => 429,
        "InternalServerException" | "InternalFailure" | "ServiceFailureException" => 500,
        "ServiceUnavailableException" | "ServiceUnavailable" => 503,
        _ => return None,
    })
}

/// Returns the model in the ARN of one, or the id as it is.
pub(super) fn model_in(arn: &str) -> Option<&str> {
    let (kind, model) = arn.rsplit_once('/')?;
    let is_model = kind.ends_with(":foundation-model") || kind.ends_with(":inference-profile");
    is_model.then_some(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_known_without_its_session() {
        for (arn, key) in [
            (
                "arn:aws:sts::111122223333:assumed-role/app/i-0abc",
                "arn:aws:sts::111122223333:assumed-role/app",
            ),
            (
                "arn:aws:iam::111122223333:user/alice",
                "arn:aws:iam::111122223333:user/alice",
            ),
            (
                "arn:aws:sts::111122223333:assumed-role/app",
                "arn:aws:sts::111122223333:assumed-role/app",
            ),
        ] {
            assert_eq!(without_session(arn), key);
        }
    }

    #[test]
    fn a_model_is_found_in_its_arn() {
        let model = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-5-v1:0";
        assert_eq!(model_in(model), Some("anthropic.claude-sonnet-5-v1:0"));
        let profile = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/a1b2";
        assert_eq!(model_in(profile), None);
    }
}
